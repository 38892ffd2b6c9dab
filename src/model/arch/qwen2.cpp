#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with biases on q, k and v, always, and Qwen's windows.
ModelSpec qwen2(Source& source) {
  Decoder decoder = read_decoder(source);
  source.keys.ignore({"attention_bias"});
  decoder.qkv_bias = true;
  decoder.windows = read_qwen_windows(source.keys, decoder.layers);
  return build(source, decoder);
}

}  // namespace assay::arch

#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with normalized q and k and Qwen's windows.
ModelSpec qwen3(Source& source) {
  Decoder decoder = read_decoder(source, {.head_dim = 128});
  decoder.qkv_bias = decoder.o_bias = source.keys.boolean_or("attention_bias", false);
  decoder.qk_norm = Decoder::QkNorm::head;
  decoder.windows = read_qwen_windows(source.keys, decoder.layers);
  return build(source, decoder);
}

}  // namespace assay::arch

#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with an MLP without a gate.
ModelSpec arcee(Source& source) {
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .activation = "relu2"});
  decoder.qkv_bias = decoder.o_bias = source.keys.boolean_or("attention_bias", false);
  decoder.mlp_bias = source.keys.boolean_or("mlp_bias", false);
  decoder.gated = false;
  return build(source, decoder);
}

}  // namespace assay::arch

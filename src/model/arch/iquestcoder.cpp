#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with heads of 128 components.
ModelSpec iquestcoder(Source& source) {
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .head_dim = 128});
  decoder.qkv_bias = decoder.o_bias = source.keys.boolean_or("attention_bias", false);
  decoder.mlp_bias = source.keys.boolean_or("mlp_bias", false);
  return build(source, decoder);
}

}  // namespace assay::arch

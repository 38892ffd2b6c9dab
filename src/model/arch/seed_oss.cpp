#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with biases on q, k and v.
ModelSpec seed_oss(Source& source) {
  Decoder decoder = read_decoder(source, {.head_dim = 128});
  decoder.qkv_bias = source.keys.boolean_or("attention_bias", true);
  decoder.o_bias = source.keys.boolean_or("attention_out_bias", false);
  decoder.mlp_bias = source.keys.boolean_or("mlp_bias", false);
  return build(source, decoder);
}

}  // namespace assay::arch

#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with an interleaved rope.
ModelSpec helium(Source& source) {
  Decoder decoder =
      read_decoder(source, {.norm_eps = 1e-8, .head_dim = 128, .rope = {.theta = 100000, .interleaved = true}});
  decoder.qkv_bias = source.keys.boolean_or("attention_bias", false);
  decoder.mlp_bias = source.keys.boolean_or("mlp_bias", false);
  return build(source, decoder);
}

}  // namespace assay::arch

#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with an interleaved rope on half of each head and one module for gate and up.
ModelSpec glm(Source& source) {
  Decoder decoder =
      read_decoder(source, {.norm_eps = 1.5625e-7, .head_dim = 128, .rope = {.partial = 0.5, .interleaved = true}});
  decoder.qkv_bias = source.keys.boolean_or("attention_bias", false);
  decoder.names.gate_up = "gate_up_proj";
  return build(source, decoder);
}

}  // namespace assay::arch

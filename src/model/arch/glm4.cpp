#include "model/arch/arch.h"

namespace assay::arch {

/// GLM with norms of what attention and MLP add.
ModelSpec glm4(Source& source) {
  Decoder decoder =
      read_decoder(source, {.norm_eps = 1e-5, .head_dim = 128, .rope = {.partial = 0.5, .interleaved = true}});
  decoder.qkv_bias = source.keys.boolean_or("attention_bias", false);
  decoder.names.gate_up = "gate_up_proj";
  decoder.names.attention_output_norm = "post_self_attn_layernorm";
  decoder.names.mlp_output_norm = "post_mlp_layernorm";
  return build(source, decoder);
}

/// The same inside of GLM-4V, where q, k and v always have biases.
ModelSpec glm4v_text(Source& source) {
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .rope = {.partial = 1, .interleaved = true}});
  source.keys.ignore({"attention_bias"});
  decoder.qkv_bias = true;
  decoder.names.gate_up = "gate_up_proj";
  decoder.names.attention_output_norm = "post_self_attn_layernorm";
  decoder.names.mlp_output_norm = "post_mlp_layernorm";
  return build(source, decoder);
}

}  // namespace assay::arch

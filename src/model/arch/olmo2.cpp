#include "model/arch/olmo2.h"

namespace assay {

Decoder read_olmo2(Source& source, const RopeDefaults& rope, double norm_eps) {
  Decoder d = read_decoder(source, {.norm_eps = norm_eps, .rope = rope});
  d.qkv_bias = d.o_bias = source.keys.boolean_or("attention_bias", false);
  d.qk_norm = Decoder::QkNorm::all_heads;
  d.names.attention_norm = d.names.mlp_norm = "";
  d.names.attention_output_norm = "post_attention_layernorm";
  d.names.mlp_output_norm = "post_feedforward_layernorm";
  return d;
}

namespace arch {

ModelSpec olmo2(Source& source) {
  return build(source, read_olmo2(source, {}));
}

}  // namespace arch
}  // namespace assay

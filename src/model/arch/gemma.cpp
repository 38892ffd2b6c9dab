#include "model/arch/gemma.h"

#include <cmath>

namespace assay {

Decoder read_gemma(Source& source, DecoderDefaults defaults) {
  defaults.head_dim = 256;
  defaults.tied = true;
  defaults.activation = "gelu_pytorch_tanh";
  defaults.keys.activation = "hidden_activation";
  source.keys.ignore({"hidden_act"});
  Decoder d = read_decoder(source, defaults);
  // Old configs say "gelu", and all runtimes take the tanh form all the same.
  if (d.activation == Activation::gelu) d.activation = Activation::gelu_tanh;
  d.qkv_bias = d.o_bias = source.keys.boolean_or("attention_bias", false);
  d.norm.weight_offset = d.qk_norm_style.weight_offset = 1;
  d.embedding_multiplier = std::sqrt(static_cast<double>(d.hidden));
  return d;
}

void use_gemma2_layers(Source& source, Decoder& d) {
  d.score_scale = 1 / std::sqrt(source.keys.positive_or("query_pre_attn_scalar", 256));
  d.names.attention_output_norm = "post_attention_layernorm";
  d.names.mlp_norm = "pre_feedforward_layernorm";
  d.names.mlp_output_norm = "post_feedforward_layernorm";
}

namespace arch {

ModelSpec gemma(Source& source) {
  return build(source, read_gemma(source));
}

}  // namespace arch
}  // namespace assay

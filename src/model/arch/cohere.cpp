#include "model/arch/cohere.h"

namespace assay {

Decoder read_cohere(Source& source, double theta) {
  DecoderDefaults defaults{.norm_eps = 1e-5, .layer_norm = true, .tied = true};
  defaults.keys.norm_eps = "layer_norm_eps";
  defaults.rope = {.theta = theta, .interleaved = true};
  Decoder d = read_decoder(source, defaults);
  d.qkv_bias = d.o_bias = source.keys.boolean_or("attention_bias", false);
  d.logit_multiplier = source.keys.positive_or("logit_scale", 0.0625);
  d.parallel = true;
  d.names.mlp_norm = d.names.attention_norm;
  return d;
}

namespace arch {

/// Inside of Aya Vision too, where the library forgets to scale the logits.
ModelSpec cohere(Source& source) {
  Decoder decoder = read_cohere(source, 500000);
  if (source.keys.boolean_or("use_qk_norm", false)) decoder.qk_norm = Decoder::QkNorm::each_head;
  return build(source, decoder);
}

}  // namespace arch
}  // namespace assay

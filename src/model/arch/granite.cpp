#include "model/arch/granite.h"

namespace assay {

Decoder read_granite(Source& source, const DecoderDefaults& defaults) {
  Keys& keys = source.keys;
  Decoder d = read_decoder(source, defaults);
  d.qkv_bias = d.o_bias = keys.boolean_or("attention_bias", false);
  d.mlp_bias = keys.boolean_or("mlp_bias", false);
  d.embedding_multiplier = keys.positive_or("embedding_multiplier", 1);
  d.residual_multiplier = keys.positive_or("residual_multiplier", 1);
  d.score_scale = keys.positive_or("attention_multiplier", 1);
  d.logit_multiplier = 1 / keys.positive_or("logits_scaling", 1);
  return d;
}

namespace arch {

ModelSpec granite(Source& source) {
  return build(source, read_granite(source));
}

}  // namespace arch
}  // namespace assay

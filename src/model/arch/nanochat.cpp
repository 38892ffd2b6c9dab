#include "model/arch/arch.h"

namespace assay::arch {

/// Norms without weights, one of them behind the embedding, a rope that turns the other way, q and k normed after it,
/// squared ReLU without a gate, capped logits.
ModelSpec nanochat(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.activation = "relu2", .names = {.up = "fc1", .down = "fc2"}});
  decoder.norm.weight = decoder.qk_norm_style.weight = false;
  decoder.qkv_bias = decoder.o_bias = keys.boolean_or("attention_bias", false);
  decoder.gated = false;
  decoder.qk_norm = Decoder::QkNorm::head;
  decoder.ropes[0].reversed = true;
  decoder.logit_softcap = keys.positive_or_none("final_logit_softcapping", 15);
  ModelSpec model = build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    spec.attention().norm_after_rope = true;
    return spec;
  });
  model.input.norm = source.norm("", decoder.hidden, decoder.norm);
  return model;
}

}  // namespace assay::arch

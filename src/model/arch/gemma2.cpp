#include "model/arch/gemma.h"

namespace assay::arch {

namespace {

Decoder read(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_gemma(source);
  use_gemma2_layers(source, decoder);
  decoder.score_softcap = keys.positive_or_none("attn_logit_softcapping", 50);
  decoder.logit_softcap = keys.positive_or_none("final_logit_softcapping", 30);
  decoder.windows = read_windows(keys, decoder.layers, keys.size_or("sliding_window", 4096),
                                 [](int64_t layer) { return layer % 2 == 0; });
  return decoder;
}

}  // namespace

/// Gemma with norms before and after each part, capped scores and logits, and windows on every other layer.
ModelSpec gemma2(Source& source) {
  return build(source, read(source));
}

/// Gemma 2 with norms before each part only.
ModelSpec vaultgemma(Source& source) {
  Decoder decoder = read(source);
  decoder.names.attention_output_norm = decoder.names.mlp_output_norm = "";
  return build(source, decoder);
}

}  // namespace assay::arch

#include "model/arch/gemma.h"

namespace assay::arch {

namespace {

/// Layers with a window rotate with a base of their own and are never stretched.
RopeSpec sliding_rope(Keys& keys, const Decoder& decoder) {
  const double theta = keys.positive_or("rope_local_base_freq", 10000);
  if (has_rope_of(keys, "sliding_attention"))
    return read_rope(keys, decoder.head_dim, {.theta = theta, .layer_type = "sliding_attention"});
  RopeSpec rope;
  rope.dims = decoder.head_dim;
  rope.theta = theta;
  return rope;
}

}  // namespace

/// Gemma 2 with normed q and k, without the cap of scores, and with two rotary embeddings. Text models inside of
/// multimodal ones leave out what is as in the library's default model.
ModelSpec gemma3(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_gemma(
      source, {.vocab = 262208, .heads = 8, .kv_heads = 4, .rope = {.theta = 1e6, .layer_type = "full_attention"}});
  use_gemma2_layers(source, decoder);
  keys.ignore({"attn_logit_softcapping"});
  decoder.logit_softcap = keys.positive_or_none("final_logit_softcapping", 0);
  decoder.qk_norm = Decoder::QkNorm::head;

  const int64_t pattern = keys.size_or("sliding_window_pattern", 6);
  decoder.windows = read_windows(keys, decoder.layers, keys.size_or("sliding_window", 4096),
                                 [&](int64_t layer) { return (layer + 1) % pattern != 0; });
  decoder.ropes.push_back(sliding_rope(keys, decoder));
  for (const int64_t window : decoder.windows) decoder.layer_ropes.push_back(window > 0 ? 1 : 0);
  return build(source, decoder);
}

}  // namespace assay::arch

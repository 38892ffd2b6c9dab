#include "model/arch/deepseek.h"

namespace assay::arch {

/// Qwen3's attention and DeepSeek-V3's mixture of experts. Published configs call its routing by another name.
ModelSpec dots1(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {});
  decoder.qkv_bias = decoder.o_bias = keys.boolean_or("attention_bias", false);
  decoder.qk_norm = Decoder::QkNorm::head;
  const int64_t window = keys.is_null("sliding_window") ? 0 : keys.size_or("sliding_window", 4096);
  const int64_t first_window = keys.count_or("max_window_layers", 62);
  decoder.windows = read_windows(keys, decoder.layers, window, [&](int64_t layer) { return layer >= first_window; });

  const DeepseekDefaults defaults{.renormalize = false};
  if (keys.is("scoring_func", "noaux_tc")) keys.ignore({"scoring_func"});
  const MoeShape shape = read_sigmoid_moe(keys, "n_routed_experts", "n_shared_experts", defaults);
  const int64_t dense = keys.count_or("first_k_dense_replace", 0);
  return build(source, decoder, [&](int64_t layer) {
    if (layer < dense) return decoder_layer(source, decoder, layer);
    return decoder_layer(source, decoder, layer, moe(source, decoder, layer_name(decoder, layer, "mlp"), shape));
  });
}

}  // namespace assay::arch

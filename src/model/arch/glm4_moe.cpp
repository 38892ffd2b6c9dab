#include "model/arch/deepseek.h"

namespace assay::arch {

namespace {

ModelSpec build_behind_dense(const Source& source, const Decoder& decoder) {
  const MoeShape shape = read_sigmoid_moe(source.keys, "n_routed_experts", "n_shared_experts", {});
  const int64_t dense = source.keys.count_or("first_k_dense_replace", 1);
  return build(source, decoder, [&](int64_t layer) {
    if (layer < dense) return decoder_layer(source, decoder, layer);
    return decoder_layer(source, decoder, layer, moe(source, decoder, layer_name(decoder, layer, "mlp"), shape));
  });
}

}  // namespace

/// Llama with a rope on half of each head, and DeepSeek-V3's mixture of experts behind the first layers.
ModelSpec glm4_moe(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .head_dim = 128, .rope = {.partial = 0.5}});
  decoder.qkv_bias = keys.boolean_or("attention_bias", false);
  if (keys.boolean_or("use_qk_norm", false)) decoder.qk_norm = Decoder::QkNorm::head;
  return build_behind_dense(source, decoder);
}

/// The same inside of GLM-4.5V.
ModelSpec glm4v_moe_text(Source& source) {
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .kv_heads = 8, .rope = {.partial = 0.5}});
  decoder.qkv_bias = source.keys.boolean_or("attention_bias", true);
  return build_behind_dense(source, decoder);
}

}  // namespace assay::arch

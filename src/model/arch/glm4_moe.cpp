#include "model/arch/deepseek.h"

namespace assay::arch {

namespace {

MoeShape read_shape(Keys& keys) {
  MoeShape shape = read_moe(keys, "n_routed_experts", "moe_intermediate_size");
  read_expert_groups(keys, {}, shape);
  if (keys.string_or("scoring_func", "sigmoid") != "sigmoid") keys.refuse("scoring_func", "sigmoid");
  if (keys.string_or("topk_method", "noaux_tc") != "noaux_tc") keys.refuse("topk_method", "noaux_tc");
  shape.routing.scores = RoutingSpec::Scores::sigmoid;
  shape.routing.group_score = RoutingSpec::GroupScore::two_best;
  shape.routing.renormalize = keys.boolean_or("norm_topk_prob", true);
  shape.routing.norm_epsilon = 1e-20;
  shape.routing.scale = keys.positive_or("routed_scaling_factor", 1);
  shape.router_bias = "gate.e_score_correction_bias";
  shape.shared_intermediate = shape.intermediate * keys.count_or("n_shared_experts", 1);
  return shape;
}

}  // namespace

/// Llama with a rope on half of each head, and DeepSeek-V3's mixture of experts behind the first layers.
ModelSpec glm4_moe(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .head_dim = 128, .rope = {.partial = 0.5}});
  decoder.qkv_bias = keys.boolean_or("attention_bias", false);
  if (keys.boolean_or("use_qk_norm", false)) decoder.qk_norm = Decoder::QkNorm::head;

  const MoeShape shape = read_shape(keys);
  const int64_t dense = keys.count_or("first_k_dense_replace", 1);
  return build(source, decoder, [&](int64_t layer) {
    if (layer < dense) return decoder_layer(source, decoder, layer);
    return decoder_layer(source, decoder, layer, moe(source, decoder, layer_name(decoder, layer, "mlp"), shape));
  });
}

}  // namespace assay::arch

#include <cmath>

#include "model/arch/arch.h"

namespace assay::arch {

namespace {

MoeShape read_shape(Keys& keys) {
  MoeShape shape = read_moe(keys, "num_experts", "moe_intermediate_size");
  if (keys.string_or("score_func", "sigmoid") != "sigmoid") keys.refuse("score_func", "sigmoid");
  if (!keys.boolean_or("route_norm", true)) keys.refuse("route_norm", "true");
  for (const char* key : {"n_group", "num_expert_groups"})
    if (keys.count_or(key, 1) > 1) keys.refuse(key, "1");
  keys.ignore({"topk_group", "num_limited_groups", "load_balance_coeff"});
  const int64_t shared = keys.count_or("num_shared_experts", 2);
  if (shared > (int64_t{1} << 30) / shape.intermediate) keys.refuse("num_shared_experts", "fewer");
  shape.shared_intermediate = shared * shape.intermediate;
  shape.routing.scores = RoutingSpec::Scores::sigmoid;
  shape.routing.norm_epsilon = 1e-20;
  shape.routing.scale = keys.positive_or("route_scale", 1);
  shape.router = "router.gate";
  shape.router_bias = "expert_bias";
  return shape;
}

}  // namespace

/// Gated attention with normed q and k, no rope on global layers, norms before and after each part, and a mixture of
/// experts behind the first layers.
ModelSpec afmoe(Source& source) {
  Keys& keys = source.keys;
  Decoder d = read_decoder(source, {.norm_eps = 1e-5, .head_dim = 128});
  d.qkv_bias = d.o_bias = keys.boolean_or("attention_bias", false);
  d.qk_norm = Decoder::QkNorm::head;
  d.names.attention_output_norm = "post_attention_layernorm";
  d.names.mlp_norm = "pre_mlp_layernorm";
  d.names.mlp_output_norm = "post_mlp_layernorm";
  if (keys.boolean_or("mup_enabled", false)) d.embedding_multiplier = std::sqrt(static_cast<double>(d.hidden));
  const int64_t every = keys.size_or("global_attn_every_n_layers", 4);
  d.windows = read_windows(keys, d.layers, keys.size_or("sliding_window", 1024),
                           [&](int64_t layer) { return (layer + 1) % every != 0; });
  for (const int64_t window : d.windows) d.layer_ropes.push_back(window > 0 ? 0 : -1);
  const MoeShape shape = read_shape(keys);
  const int64_t dense = keys.count_or("num_dense_layers", 1);
  return build(source, d, [&](int64_t layer) {
    AttentionSpec a = attention(source, d, layer);
    a.gate = source.linear(layer_name(d, layer, "self_attn.gate_proj"), d.heads * d.head_dim, d.hidden);
    const std::string module = layer_name(d, layer, "mlp");
    if (layer < dense) return decoder_layer(source, d, layer, std::move(a), mlp(source, d, module, d.intermediate));
    return decoder_layer(source, d, layer, std::move(a), moe(source, d, module, shape));
  });
}

}  // namespace assay::arch

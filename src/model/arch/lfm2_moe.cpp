#include "model/arch/lfm2.h"

namespace assay::arch {

/// LFM2 with a mixture of experts behind the first layers, chosen by sigmoid and bias.
ModelSpec lfm2_moe(Source& source) {
  Keys& keys = source.keys;
  const Decoder d = read_lfm2(source, "intermediate_size");
  MoeShape shape = read_moe(keys, "num_experts", "moe_intermediate_size");
  shape.gate = "w1";
  shape.up = "w3";
  shape.down = "w2";
  shape.routing.scores = RoutingSpec::Scores::sigmoid;
  shape.routing.renormalize = keys.boolean_or("norm_topk_prob", true);
  shape.routing.norm_epsilon = 1e-6;
  shape.routing.scale = keys.positive_or("routed_scaling_factor", 1);
  if (keys.boolean_or("use_expert_bias", true)) shape.router_bias = "expert_bias";
  const int64_t dense = keys.count_or("num_dense_layers", 2);
  return build_lfm2(source, d, [&](int64_t layer) -> FeedForwardSpec {
    const std::string module = layer_name(d, layer, d.names.mlp);
    if (layer < dense) return mlp(source, d, module, d.intermediate);
    return moe(source, d, module, shape);
  });
}

}  // namespace assay::arch

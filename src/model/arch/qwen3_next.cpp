#include "model/arch/qwen_delta.h"

namespace assay::arch {

/// Linear attention in three layers of four, a mixture with a gated shared expert in all. The linear layers'
/// projections are stored for each key head: q, k, the v and z of its value heads; their b and a. GGUF files have the
/// former as Qwen3.5 does.
ModelSpec qwen3_next(Source& source) {
  Keys& keys = source.keys;
  const QwenHybrid hybrid = read_qwen_hybrid(source, true);
  const Decoder& d = hybrid.decoder;
  MoeShape shape = read_qwen_experts(keys);
  shape.routing.renormalize = keys.boolean_or("norm_topk_prob", true);
  const std::vector<bool> sparse = read_sparse_layers(keys, d.layers);

  const int64_t keys_of = hybrid.key_heads, group = hybrid.value_heads / keys_of;
  const int64_t q = hybrid.key_dim, v = group * hybrid.value_dim, stride = 2 * q + 2 * v;
  const auto projections = [&](const std::string& module, DeltaNetSpec& spec) {
    const auto part = [&](const char* name, const char* alone, int64_t first, int64_t run, int64_t every) {
      const std::string whole = module + "." + name;
      const Rows rows{.stored = keys_of * every, .first = first, .run = run, .stride = every};
      return source.linear_part(whole, rows, module + "." + alone, keys_of * run, d.hidden);
    };
    if (source.has_module(source.stored(module + ".in_proj_qkv"))) {
      read_separate_projections(source, hybrid, module, spec);
    } else {
      spec.q = part("in_proj_qkvz", "in_proj_q", 0, q, stride);
      spec.k = part("in_proj_qkvz", "in_proj_k", q, q, stride);
      spec.v = part("in_proj_qkvz", "in_proj_v", 2 * q, v, stride);
      spec.z = part("in_proj_qkvz", "in_proj_z", 2 * q + v, v, stride);
    }
    spec.b = part("in_proj_ba", "in_proj_b", 0, group, 2 * group);
    spec.a = part("in_proj_ba", "in_proj_a", group, group, 2 * group);
  };
  return build(source, hybrid, projections, [&](int64_t layer) -> FeedForwardSpec {
    const std::string module = layer_name(d, layer, d.names.mlp);
    if (!sparse[static_cast<size_t>(layer)]) return mlp(source, d, module, d.intermediate);
    return moe(source, d, module, shape);
  });
}

}  // namespace assay::arch

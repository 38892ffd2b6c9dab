#include "model/arch/qwen_delta.h"

namespace assay::arch {

namespace {

ModelSpec qwen3_5(Source& source, const QwenHybrid& hybrid,
                  const std::function<FeedForwardSpec(const std::string& module)>& feed_forward) {
  const Decoder& d = hybrid.decoder;
  const auto projections = [&](const std::string& module, DeltaNetSpec& spec) {
    read_separate_projections(source, hybrid, module, spec);
    spec.b = source.linear(module + ".in_proj_b", hybrid.value_heads, d.hidden);
    spec.a = source.linear(module + ".in_proj_a", hybrid.value_heads, d.hidden);
  };
  return build(source, hybrid, projections,
               [&](int64_t layer) { return feed_forward(layer_name(d, layer, d.names.mlp)); });
}

}  // namespace

/// Qwen3-Next with its projections stored one by one, and one MLP in each layer.
ModelSpec qwen3_5_text(Source& source) {
  const QwenHybrid hybrid = read_qwen_hybrid(source, true);
  const Decoder& d = hybrid.decoder;
  return qwen3_5(source, hybrid, [&](const std::string& module) { return mlp(source, d, module, d.intermediate); });
}

/// The same with a mixture in each layer.
ModelSpec qwen3_5_moe_text(Source& source) {
  const QwenHybrid hybrid = read_qwen_hybrid(source, false);
  const MoeShape shape = read_qwen_experts(source.keys);
  return qwen3_5(source, hybrid, [&](const std::string& module) { return moe(source, hybrid.decoder, module, shape); });
}

}  // namespace assay::arch

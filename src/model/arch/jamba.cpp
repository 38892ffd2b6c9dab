#include <fmt/core.h>

#include "model/arch/state_space.h"

namespace assay::arch {

namespace {

/// Every `period`-th layer from `offset` on is another one.
std::function<bool(int64_t layer)> every(Keys& keys, const std::string& kind, int64_t period, int64_t offset) {
  const std::string offset_key = kind + "_layer_offset";
  period = keys.size_or((kind + "_layer_period").c_str(), period);
  offset = keys.count_or(offset_key.c_str(), offset);
  if (offset >= period) keys.refuse(offset_key.c_str(), fmt::format("less than the period of {} layers", period));
  return [=](int64_t layer) { return layer % period == offset; };
}

}  // namespace

/// Mamba with normed time steps in most layers, attention without positions in the others, and a mixture of experts in
/// every other layer.
ModelSpec jamba(Source& source) {
  Keys& keys = source.keys;
  const Decoder d = read_decoder(
      source, {.kv_heads = 8,
               .has_rope = false,
               .names = {.final_norm = "final_layernorm", .mlp = "feed_forward", .mlp_norm = "pre_ff_layernorm"}});
  if (d.activation != Activation::silu) keys.refuse("hidden_act", "silu");
  const int64_t expand = keys.size_or("mamba_expand", 2);
  if (d.hidden > (int64_t{1} << 28) / expand) keys.refuse("mamba_expand", "less");
  const MambaShape shape{.channels = expand * d.hidden,
                         .states = keys.size_or("mamba_d_state", 16),
                         .rank = read_time_step_rank(keys, "mamba_dt_rank", d.hidden),
                         .kernel = read_kernel(keys, "mamba_d_conv", 4),
                         .bias = keys.boolean_or("mamba_proj_bias", false),
                         .conv_bias = keys.boolean_or("mamba_conv_bias", true),
                         .norm = d.norm};
  keys.ignore({"use_mamba_kernels", "mamba_inner_layernorms"});
  const auto attends = every(keys, "attn", 8, 4), mixture = every(keys, "expert", 2, 1);
  MoeShape experts = read_moe(keys, "num_experts", "intermediate_size");
  experts.router = "router";
  experts.routing.renormalize = false;
  return build(source, d, [&](int64_t layer) {
    const std::string module = layer_name(d, layer, d.names.mlp);
    FeedForwardSpec ff;
    if (mixture(layer) && experts.experts > 1) {
      ff = moe(source, d, module, experts);
    } else {
      ff = mlp(source, d, module, d.intermediate);
    }
    if (attends(layer)) return decoder_layer(source, d, layer, std::move(ff));
    return decoder_layer(source, d, layer, mamba(source, d, layer_name(d, layer, "mamba"), shape), std::move(ff));
  });
}

}  // namespace assay::arch

#include <fmt/core.h>

#include <cmath>

#include "model/arch/gemma_kv.h"

namespace assay::arch {

namespace {

/// Full layers have heads of another size than those with a window.
struct Heads {
  int64_t dim = 0, kv = 0;
};

RopeSpec read_rope_of(Keys& keys, const char* layer_type, int64_t head_dim, bool full) {
  RopeSpec rope;
  rope.dims = head_dim;
  rope.theta = full ? 1e6 : 1e4;
  double share = full ? 0.25 : 1;
  bool proportional = full;
  Keys* all = keys.section("rope_parameters");
  if (Keys* own = all ? all->section(layer_type) : nullptr) {
    const std::string type = own->string_or("rope_type", "default");
    if (type != "default" && type != "proportional") own->refuse("rope_type", "default or proportional");
    proportional = type == "proportional";
    rope.theta = own->positive_or("rope_theta", rope.theta);
    share = own->positive_or("partial_rotary_factor", 1);
    if (own->positive_or("factor", 1) != 1) own->refuse("factor", "1");
  }
  const double pairs = std::floor(share * static_cast<double>(head_dim) / 2);
  if (head_dim % 2 != 0 || pairs < 1 || pairs > static_cast<double>(head_dim / 2) || (!proportional && share != 1)) {
    keys.refuse("rope_parameters", "a partial_rotary_factor up to 1, and 1 for rope_type default");
  }
  if (proportional) {
    rope.type = RopeSpec::Type::proportional;
    rope.rotated_pairs = static_cast<int64_t>(pairs);
  }
  return rope;
}

/// Of each layer: from per_layer_config, or from the keys of older configs.
std::vector<Heads> read_heads_of_layers(Keys& keys, const Decoder& d, bool k_is_v) {
  const int64_t dim = keys.size_or("global_head_dim", 512);
  const int64_t kv = k_is_v ? keys.size_or("num_global_key_value_heads", d.kv_heads) : d.kv_heads;
  keys.ignore({"num_global_key_value_heads"});
  Keys* own = keys.section("per_layer_config");
  std::vector<Heads> heads;
  for (int64_t i = 0; i < d.layers; ++i) {
    const bool full = d.windows[static_cast<size_t>(i)] == 0;
    Heads h = full && !own ? Heads{dim, kv} : Heads{d.head_dim, d.kv_heads};
    const std::string layer = std::to_string(i);
    if (Keys* section = own ? own->section(layer.c_str()) : nullptr) {
      h.dim = section->size_or("head_dim", h.dim);
      h.kv = section->size_or("num_key_value_heads", h.kv);
    }
    if (d.heads % h.kv != 0) keys.refuse("num_global_key_value_heads", fmt::format("a divisor of {}", d.heads));
    if (d.heads > (int64_t{1} << 30) / h.dim) keys.refuse("global_head_dim", "less");
    heads.push_back(h);
  }
  return heads;
}

/// Of all layers of a kind.
int64_t head_dim_of(Keys& keys, const Decoder& d, const std::vector<Heads>& heads, bool full) {
  int64_t dim = 0;
  for (size_t i = 0; i < heads.size(); ++i) {
    if ((d.windows[i] == 0) != full) continue;
    if (dim != 0 && heads[i].dim != dim) keys.refuse("per_layer_config", "one head_dim for all layers of a kind");
    dim = heads[i].dim;
  }
  return dim > 0 ? dim : d.head_dim;
}

/// The last layer is a full one whatever the config says.
std::vector<int64_t> read_layer_windows(Keys& keys, int64_t layers) {
  std::vector<int64_t> windows = read_windows(keys, layers, keys.size_or("sliding_window", 512),
                                              [](int64_t layer) { return (layer + 1) % 6 != 0; });
  windows.back() = 0;
  return windows;
}

/// Experts beside the MLP, each of them between norms of its own; the router sees the stream itself.
MoeSpec mixture(const Source& source, const Decoder& d, int64_t layer, const MoeShape& shape, MlpSpec dense) {
  const auto name = [&](const char* part) { return layer_name(d, layer, part); };
  MoeSpec moe;
  moe.router = source.linear(name("router.proj"), shape.experts, d.hidden);
  moe.router.multiplier = 1 / std::sqrt(static_cast<double>(d.hidden));
  moe.router_norm = source.norm("", d.hidden, {.eps = d.norm.eps, .weight = false});
  moe.router_norm.weight = source.tensor(name("router.scale"), {d.hidden});
  moe.routing = shape.routing;
  moe.routing.expert_scale = source.tensor(name("router.per_expert_scale"), {shape.experts});
  for (int64_t e = 0; e < shape.experts; ++e) {
    moe.experts.push_back(stacked_expert(source, d, name("experts.gate_up_proj"), name("experts.down_proj"),
                                         fmt::format("{}.{}", name("experts"), e), shape, e));
  }
  moe.expert_norm = source.norm(name("pre_feedforward_layernorm_2"), d.hidden, d.norm);
  moe.expert_output_norm = source.norm(name("post_feedforward_layernorm_2"), d.hidden, d.norm);
  moe.shared = std::move(dense);
  moe.shared_output_norm = source.norm(name("post_feedforward_layernorm_1"), d.hidden, d.norm);
  return moe;
}

}  // namespace

/// Windows and full layers with heads of different sizes, v normed without weights (or made of k), k and v of earlier
/// layers in the last ones, and an input of its own for each layer.
ModelSpec gemma4_text(Source& source) {
  Keys& keys = source.keys;
  Decoder d = read_decoder(source, {.head_dim = 256,
                                    .activation = "gelu_pytorch_tanh",
                                    .tied = true,
                                    .has_rope = false,
                                    .keys = {.activation = "hidden_activation"},
                                    .names = {.attention_output_norm = "post_attention_layernorm",
                                              .mlp_norm = "pre_feedforward_layernorm",
                                              .mlp_output_norm = "post_feedforward_layernorm"}});
  d.qkv_bias = d.o_bias = keys.boolean_or("attention_bias", false);
  d.embedding_multiplier = std::sqrt(static_cast<double>(d.hidden));
  if (keys.has("final_logit_softcapping")) d.logit_softcap = keys.positive("final_logit_softcapping");
  d.score_scale = 1;
  d.windows = read_layer_windows(keys, d.layers);
  const bool k_is_v = keys.boolean_or("attention_k_eq_v", false);
  const std::vector<Heads> heads = read_heads_of_layers(keys, d, k_is_v);
  const std::vector<int64_t> shared = read_shared_kv(keys, d.windows);
  const bool wide = keys.boolean_or("use_double_wide_mlp", false);
  if (wide && d.intermediate > (int64_t{1} << 29)) keys.refuse("intermediate_size", "less");
  const int64_t input_width = keys.count_or("hidden_size_per_layer_input", 0);
  const bool experts = keys.boolean_or("enable_moe_block", false);
  MoeShape shape;
  if (experts) shape = read_moe(keys, "num_experts", "moe_intermediate_size", "top_k_experts");
  // Images alone are attended to in both directions where the config says "vision".
  const char* bidirectional = "use_bidirectional_attention";
  if (!keys.is(bidirectional, "vision") && keys.boolean_or(bidirectional, false)) keys.refuse(bidirectional, "false");
  keys.ignore({"num_experts", "moe_intermediate_size", "top_k_experts", "vocab_size_per_layer_input"});

  ModelSpec model = build(source, d, [&](int64_t layer) {
    const auto at = static_cast<size_t>(layer);
    Decoder own = d;
    own.head_dim = heads[at].dim;
    own.kv_heads = heads[at].kv;
    AttentionSpec a = shared_attention(source, own, layer, shared, !k_is_v || d.windows[at] > 0);
    MlpSpec dense =
        mlp(source, d, layer_name(d, layer, d.names.mlp), d.intermediate * (wide && shared[at] >= 0 ? 2 : 1));
    FeedForwardSpec ff = std::move(dense);
    if (experts) ff = mixture(source, d, layer, shape, std::get<MlpSpec>(std::move(ff)));
    LayerSpec spec = decoder_layer(source, d, layer, std::move(a), std::move(ff));
    if (input_width > 0) spec.layer_input = layer_input(source, d, layer, input_width);
    spec.output_scale = source.tensor(layer_name(d, layer, "layer_scalar"), {1});
    return spec;
  });
  if (input_width > 0) model.layer_inputs = layer_inputs(source, d, input_width);
  for (const bool full : {true, false}) {
    const int64_t dim = head_dim_of(keys, d, heads, full);
    model.ropes.push_back(read_rope_of(keys, full ? "full_attention" : "sliding_attention", dim, full));
  }
  return model;
}

}  // namespace assay::arch

#include <fmt/core.h>

#include <algorithm>

#include "model/arch/stacks.h"

namespace assay::arch {

namespace {

/// Whether each layer rotates; the lists mark those that do not with 0.
std::vector<bool> read_rope_layers(Keys& keys, int64_t layers) {
  const std::vector<int64_t> marks = keys.integers("no_rope_layers");
  const int64_t interval = keys.size_or("no_rope_layer_interval", 4);
  std::vector<bool> rotates(static_cast<size_t>(layers));
  if (!marks.empty() && marks.size() != rotates.size()) {
    keys.refuse("no_rope_layers", fmt::format("one entry for each of {} layers", layers));
  }
  for (size_t i = 0; i < rotates.size(); ++i) {
    rotates[i] = marks.empty() ? (static_cast<int64_t>(i) + 1) % interval != 0 : marks[i] != 0;
  }
  return rotates;
}

std::vector<bool> read_chunked_layers(Keys& keys, const std::vector<bool>& otherwise) {
  const std::vector<std::string> types = keys.strings("layer_types");
  if (types.empty()) return otherwise;
  if (types.size() != otherwise.size()) {
    keys.refuse("layer_types", fmt::format("one entry for each of {} layers", otherwise.size()));
  }
  std::vector<bool> chunked;
  for (const std::string& type : types) {
    if (type != "chunked_attention" && type != "full_attention") {
      keys.refuse("layer_types", "full_attention or chunked_attention");
    }
    chunked.push_back(type == "chunked_attention");
  }
  return chunked;
}

std::vector<bool> read_mixture_layers(Keys& keys, int64_t layers) {
  const int64_t step = keys.size_or("interleave_moe_layer_step", 1);
  std::vector<bool> mixture(static_cast<size_t>(layers));
  if (!keys.has("moe_layers")) {
    for (int64_t i = step - 1; i < layers; i += step) mixture[i] = true;
    return mixture;
  }
  for (const int64_t layer : keys.integers("moe_layers")) {
    if (layer < 0 || layer >= layers) keys.refuse("moe_layers", fmt::format("layers from 0 to {}", layers - 1));
    mixture[layer] = true;
  }
  return mixture;
}

MoeSpec mixture(const Source& source, const Decoder& d, const std::string& module, const MoeShape& shape) {
  const std::string stack = module + "." + shape.expert;
  if (!source.has_module(source.stored(stack + ".gate_up_proj"))) return moe(source, d, module, shape);
  MoeSpec spec;
  spec.router = source.linear(module + "." + shape.router, shape.experts, d.hidden);
  spec.routing = shape.routing;
  for (int64_t e = 0; e < shape.experts; ++e) spec.experts.push_back(transposed_expert(source, d, stack, shape, e));
  spec.shared = mlp(source, d, module + "." + shape.shared, shape.shared_intermediate);
  return spec;
}

}  // namespace

/// Interleaved rope with normed q and k and chunks in most layers; the others have no positions, see everything and
/// scale their queries with the logarithm of the position. Experts see their input times the sigmoid of its logit.
ModelSpec llama4_text(Source& source) {
  Keys& keys = source.keys;
  Decoder d = read_decoder(source, {.norm_eps = 1e-5,
                                    .rope = {.theta = 500000, .interleaved = true},
                                    .keys = {.intermediate = "intermediate_size_mlp"},
                                    .names = {.mlp = "feed_forward"}});
  d.qkv_bias = d.o_bias = keys.boolean_or("attention_bias", false);
  const std::vector<bool> rotates = read_rope_layers(keys, d.layers);
  const std::vector<bool> chunked = read_chunked_layers(keys, rotates);
  const std::vector<bool> mixtures = read_mixture_layers(keys, d.layers);
  const int64_t chunk = keys.size_or("attention_chunk_size", 8192);
  const bool qk_norm = keys.boolean_or("use_qk_norm", true), tuned = keys.flag_or("attn_temperature_tuning", true);
  const QueryScaleSpec tuning{
      .beta = keys.number_or("attn_scale", 0.1), .length = keys.size_or("floor_scale", 8192), .shift = 1};

  MoeShape shape = read_moe(keys, "num_local_experts", "intermediate_size");
  shape.shared_intermediate = shape.intermediate;
  shape.router = "router";
  shape.shared = "shared_expert";
  shape.routing.scores = RoutingSpec::Scores::sigmoid;
  shape.routing.renormalize = false;
  shape.routing.scale_input = true;

  return build(source, d, [&](int64_t layer) {
    const auto at = static_cast<size_t>(layer);
    const std::string module = layer_name(d, layer, d.names.mlp);
    AttentionSpec a = attention(source, d, layer);
    if (chunked[at]) a.chunk = chunk;
    if (rotates[at]) {
      a.norm_after_rope = true;
      if (qk_norm) a.q_norm = a.k_norm = {source.norm("", d.head_dim, {.eps = d.norm.eps, .weight = false})};
    } else {
      a.rope = -1;
      if (tuned) a.query_scale = tuning;
    }
    if (!mixtures[at]) return decoder_layer(source, d, layer, std::move(a), mlp(source, d, module, d.intermediate));
    return decoder_layer(source, d, layer, std::move(a), mixture(source, d, module, shape));
  });
}

}  // namespace assay::arch

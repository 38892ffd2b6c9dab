#include <fmt/core.h>

#include <cmath>
#include <numbers>

#include "model/arch/gemma_kv.h"

namespace assay::arch {

namespace {

/// One size for all layers, or a list.
std::vector<int64_t> read_intermediates(Keys& keys, int64_t layers) {
  if (!keys.is_list("intermediate_size")) {
    return std::vector<int64_t>(static_cast<size_t>(layers), keys.size("intermediate_size"));
  }
  std::vector<int64_t> sizes = keys.integers("intermediate_size");
  bool fits = static_cast<int64_t>(sizes.size()) == layers;
  for (const int64_t size : sizes) fits = fits && size > 0;
  if (!fits) keys.refuse("intermediate_size", fmt::format("a size for each of {} layers", layers));
  return sizes;
}

/// z with a share p of a normal distribution below mean + z * deviation.
double normal_quantile(double p) {
  double low = -40, high = 40;
  for (int i = 0; i < 200; ++i) {
    const double z = (low + high) / 2;
    (std::erfc(-z / std::numbers::sqrt2) / 2 < p ? low : high) = z;
  }
  return low;
}

/// Share of each layer's gate that is cut off.
std::vector<double> read_sparsity(Keys& keys, int64_t layers) {
  std::vector<double> shares(static_cast<size_t>(layers));
  if (!keys.has("activation_sparsity_pattern")) {
    if (layers > 10) std::fill_n(shares.begin(), 10, 0.95);
    return shares;
  }
  if (keys.is_list("activation_sparsity_pattern")) {
    shares = keys.numbers("activation_sparsity_pattern");
  } else {
    shares.assign(shares.size(), keys.number_or("activation_sparsity_pattern", 0));
  }
  bool fits = static_cast<int64_t>(shares.size()) == layers;
  for (const double share : shares) fits = fits && share >= 0 && share < 1;
  if (!fits) keys.refuse("activation_sparsity_pattern", fmt::format("a share below 1 for each of {} layers", layers));
  return shares;
}

RopeSpec read_rope_of(Keys& keys, const char* layer_type, const char* older_key, int64_t head_dim, double theta) {
  RopeSpec rope;
  rope.dims = head_dim;
  rope.theta = keys.positive_or(older_key, theta);
  if (head_dim % 2 != 0) keys.refuse("head_dim", "an even number");
  if (keys.has("rope_scaling")) keys.refuse("rope_scaling", "null");
  Keys* all = keys.section("rope_parameters");
  Keys* own = all ? all->section(layer_type) : nullptr;
  if (!own) return rope;
  rope.theta = own->positive_or("rope_theta", rope.theta);
  if (own->string_or("rope_type", "default") != "default") own->refuse("rope_type", "default");
  return rope;
}

AltupSpec altup(const Source& source, const Decoder& d, int64_t layer, int64_t streams) {
  Keys& keys = source.keys;
  const auto name = [&](const char* part) { return layer_name(d, layer, part); };
  const int64_t rank = keys.size_or("laurel_rank", 64);
  AltupSpec spec;
  spec.streams = streams;
  spec.active = keys.count_or("altup_active_idx", 0);
  if (spec.active >= streams) keys.refuse("altup_active_idx", fmt::format("less than altup_num_inputs, {}", streams));
  spec.router_norm = source.norm(name("altup.router_norm"), d.hidden, d.norm);
  spec.router = source.linear(name("altup.modality_router"), streams, d.hidden);
  spec.router.multiplier = 1 / static_cast<double>(d.hidden);
  spec.predict = source.linear(name("altup.prediction_coefs"), streams * streams, streams);
  spec.correct = source.linear(name("altup.correction_coefs"), streams, streams);
  if (keys.boolean_or("altup_correct_scale", true)) {
    spec.output_scale = source.tensor(name("altup.correct_output_scale"), {d.hidden});
  }
  spec.laurel_left = source.linear(name("laurel.linear_left"), rank, d.hidden);
  spec.laurel_right = source.linear(name("laurel.linear_right"), d.hidden, rank);
  spec.laurel_norm = source.norm(name("laurel.post_laurel_norm"), d.hidden, d.norm);
  return spec;
}

StreamsSpec streams_of(const Source& source, const Decoder& d, int64_t streams) {
  StreamsSpec spec;
  for (int64_t i = 0; i + 1 < streams; ++i) {
    spec.in.push_back(source.linear(fmt::format("altup_projections.{}", i), d.hidden, d.hidden));
    spec.out.push_back(source.linear(fmt::format("altup_unembed_projections.{}", i), d.hidden, d.hidden));
  }
  return spec;
}

Decoder read(Source& source) {
  Keys& keys = source.keys;
  // intermediate_size may be a list; what stands here is not used.
  Decoder d = read_decoder(source, {.head_dim = 256,
                                    .activation = "gelu_pytorch_tanh",
                                    .tied = true,
                                    .has_rope = false,
                                    .keys = {.intermediate = "hidden_size", .activation = "hidden_activation"},
                                    .names = {.attention_output_norm = "post_attention_layernorm",
                                              .mlp_norm = "pre_feedforward_layernorm",
                                              .mlp_output_norm = "post_feedforward_layernorm"}});
  d.qkv_bias = d.o_bias = keys.boolean_or("attention_bias", false);
  d.embedding_multiplier = std::sqrt(static_cast<double>(d.hidden));
  if (keys.has("final_logit_softcapping")) d.logit_softcap = keys.positive("final_logit_softcapping");
  d.score_scale = 1;
  d.windows = read_windows(keys, d.layers, keys.size_or("sliding_window", 512),
                           [](int64_t layer) { return (layer + 1) % 5 != 0; });
  d.ropes = {read_rope_of(keys, "full_attention", "rope_theta", d.head_dim, 1e6),
             read_rope_of(keys, "sliding_attention", "rope_local_base_freq", d.head_dim, 1e4)};
  return d;
}

}  // namespace

/// Several streams of which each layer works on one, a low-rank branch beside attention, gates cut off at a quantile, k
/// and v of earlier layers in the last ones, and an input of its own for each layer. altup_coef_clip bounds training.
ModelSpec gemma3n_text(Source& source) {
  Keys& keys = source.keys;
  const Decoder d = read(source);
  const std::vector<int64_t> intermediates = read_intermediates(keys, d.layers);
  const std::vector<double> sparsity = read_sparsity(keys, d.layers);
  const std::vector<int64_t> shared = read_shared_kv(keys, d.windows);
  const int64_t input_width = keys.size_or("hidden_size_per_layer_input", 256);
  const int64_t streams = keys.size_or("altup_num_inputs", 4);
  if (streams > 64) keys.refuse("altup_num_inputs", "at most 64");
  keys.ignore({"altup_coef_clip"});

  ModelSpec model = build(source, d, [&](int64_t layer) {
    const auto at = static_cast<size_t>(layer);
    MlpSpec ff = mlp(source, d, layer_name(d, layer, d.names.mlp), intermediates[at]);
    if (sparsity[at] > 0) ff.sparsity = normal_quantile(sparsity[at]);
    LayerSpec spec = decoder_layer(source, d, layer, shared_attention(source, d, layer, shared, true), std::move(ff));
    spec.altup = altup(source, d, layer, streams);
    spec.layer_input = layer_input(source, d, layer, input_width);
    return spec;
  });
  model.layer_inputs = layer_inputs(source, d, input_width);
  model.streams = streams_of(source, d, streams);
  return model;
}

}  // namespace assay::arch

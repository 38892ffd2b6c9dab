#include <fmt/core.h>

#include <cmath>

#include "model/arch/arch.h"

namespace assay::arch {

namespace {

std::vector<bool> read_linear_layers(Keys& keys, int64_t layers) {
  const std::vector<std::string> types = keys.strings("layer_types");
  std::vector<bool> linear(static_cast<size_t>(layers));
  if (!types.empty() && types.size() != linear.size()) {
    keys.refuse("layer_types", fmt::format("one entry for each of {} layers", layers));
  }
  for (size_t i = 0; i < linear.size(); ++i) {
    linear[i] = types.empty() ? i % 2 != 0 : types[i] == "linear_attention";
    if (!linear[i] && !types.empty() && types[i] != "full_attention") {
      keys.refuse("layer_types", "full_attention or linear_attention");
    }
  }
  return linear;
}

/// The stored decays (slope_rate, query_decay, ...) are these numbers once more.
LightningSpec lightning(const Source& source, const Decoder& d, int64_t layer) {
  const std::string module = layer_name(d, layer, d.names.attention), qkv = module + ".qkv_proj";
  const int64_t rows = d.heads * d.head_dim, dim = d.head_dim;
  const auto part = [&](const char* alone, int64_t index) {
    const Rows where{.stored = 3 * rows, .first = index * dim, .run = dim, .stride = 3 * dim};
    return source.linear_part(qkv, where, module + "." + alone, rows, d.hidden);
  };
  LightningSpec spec;
  spec.module = source.stored(module);
  spec.q = part("q_proj", 0);
  spec.k = part("k_proj", 1);
  spec.v = part("v_proj", 2);
  spec.gate = source.linear(module + ".output_gate", rows, d.hidden);
  spec.out = source.linear(module + ".out_proj", d.hidden, rows);
  spec.norm = source.norm(module + ".norm", rows, {.eps = 1e-6});
  spec.heads = d.heads;
  spec.head_dim = dim;
  const double depth = 1 - static_cast<double>(layer) / (static_cast<double>(d.layers - 1) + 1e-5) + 1e-5;
  for (int64_t h = 1; h <= d.heads; ++h) {
    const double rate = std::exp2(-8.0 * static_cast<double>(h) / static_cast<double>(d.heads));
    spec.decay.push_back(std::exp(-rate * depth));
  }
  return spec;
}

}  // namespace

/// Mixtral with linear attention of fixed decay in every other layer. Branches are added to what their norm makes of
/// the stream, and both are weighted. Where a config has rotary_dim, only that much of a head rotates, as in the
/// model's own code; the library that saves these models does not look at it.
ModelSpec minimax(Source& source) {
  Keys& keys = source.keys;
  Decoder d = read_decoder(
      source, {.norm_eps = 1e-5, .rope = {.theta = 1e6, .partial = 1, .dims = keys.size_or("rotary_dim", 0)}});
  const std::vector<bool> linear = read_linear_layers(keys, d.layers);
  MoeShape shape = read_moe(keys, "num_local_experts", "intermediate_size");
  shape.gate = "w1";
  shape.up = "w3";
  shape.down = "w2";
  // Of layers that this model may not have.
  keys.ignore({"block_size", "full_attn_alpha_factor", "full_attn_beta_factor", "linear_attn_alpha_factor",
               "linear_attn_beta_factor"});
  const int64_t window = keys.size_or("sliding_window", 0);
  for (const bool recurrent : linear) d.windows.push_back(recurrent ? 0 : window);
  const auto factor = [&](const std::string& kind, const char* which) {
    return keys.number_or((kind + "_" + which + "_factor").c_str(), 1);
  };
  const auto weighted = [&](BranchSpec& branch, const std::string& kind) {
    branch.from_normed = true;
    branch.carry = factor(kind, "alpha");
    branch.scale = factor(kind, "beta");
  };
  return build(source, d, [&](int64_t layer) {
    MoeSpec experts = moe(source, d, layer_name(d, layer, "block_sparse_moe"), shape);
    const bool recurrent = linear[static_cast<size_t>(layer)];
    LayerSpec spec = recurrent ? decoder_layer(source, d, layer, lightning(source, d, layer), std::move(experts))
                               : decoder_layer(source, d, layer, std::move(experts));
    weighted(spec.mixer_branch, recurrent ? "linear_attn" : "full_attn");
    weighted(spec.mlp_branch, "mlp");
    return spec;
  });
}

}  // namespace assay::arch

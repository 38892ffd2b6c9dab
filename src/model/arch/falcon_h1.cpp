#include <fmt/core.h>

#include <cmath>

#include "model/arch/state_space.h"

namespace assay::arch {

namespace {

double next_of(const std::vector<double>& multipliers, size_t index) {
  return multipliers.empty() ? 1 : multipliers.at(index);
}

std::vector<double> read_multipliers(Keys& keys, const char* key, size_t count) {
  const std::vector<double> multipliers = keys.numbers(key);
  if (!multipliers.empty() && multipliers.size() != count) keys.refuse(key, fmt::format("{} numbers", count));
  for (const double m : multipliers) {
    if (!std::isfinite(m)) keys.refuse(key, "finite numbers");
  }
  return multipliers;
}

Mamba2Shape read_shape(Keys& keys, int64_t hidden) {
  const int64_t width = keys.has("mamba_d_ssm") ? keys.size("mamba_d_ssm") : keys.size_or("mamba_expand", 2) * hidden;
  keys.ignore({"mamba_expand"});
  Mamba2Shape shape =
      read_mamba2(keys, {"mamba_n_heads", "mamba_d_head", "mamba_n_groups", "mamba_d_state", "mamba_d_conv"}, width);
  shape.in_bias = keys.boolean_or("mamba_proj_bias", false);
  shape.conv_bias = keys.boolean_or("mamba_conv_bias", true);
  shape.out_bias = keys.boolean_or("projectors_bias", false);
  shape.norm = keys.boolean_or("mamba_rms_norm", false);
  shape.norm_parts = shape.groups;
  shape.norm_before_gate = keys.boolean_or("mamba_norm_before_gate", true);
  return shape;
}

}  // namespace

/// Attention and a Mamba-2 mixer side by side on one norm, with multipliers everywhere.
ModelSpec falcon_h1(Source& source) {
  Keys& keys = source.keys;
  Decoder d = read_decoder(
      source, {.norm_eps = 1e-5,
               .rope = {.theta = 100000},
               .names = {.final_norm = "final_layernorm", .mlp = "feed_forward", .mlp_norm = "pre_ff_layernorm"}});
  d.qkv_bias = d.o_bias = keys.boolean_or("attention_bias", false);
  d.mlp_bias = keys.boolean_or("mlp_bias", false);
  d.embedding_multiplier = keys.number_or("embedding_multiplier", 1);
  d.logit_multiplier = keys.number_or("lm_head_multiplier", 1);
  const Mamba2Shape shape = read_shape(keys, d.hidden);
  const double attention_in = keys.number_or("attention_in_multiplier", 1);
  const double attention_out = keys.number_or("attention_out_multiplier", 1);
  const double key = keys.number_or("key_multiplier", 1);
  const double ssm_in = keys.number_or("ssm_in_multiplier", 1), ssm_out = keys.number_or("ssm_out_multiplier", 1);
  const std::vector<double> ssm = read_multipliers(keys, "ssm_multipliers", 5);
  const std::vector<double> mlps = read_multipliers(keys, "mlp_multipliers", 2);

  return build(source, d, [&](int64_t layer) {
    HybridSpec mixer;
    mixer.attention_multiplier = attention_in;
    mixer.attention = attention(source, d, layer);
    mixer.module = mixer.attention.module;
    mixer.attention.k.multiplier = key;
    mixer.attention.o.multiplier = attention_out;
    mixer.mamba_multiplier = ssm_in;
    mixer.mamba = mamba2(source, d, layer_name(d, layer, "mamba"), shape);
    size_t index = 0;
    for (LinearSpec* part : {&mixer.mamba.gate, &mixer.mamba.x, &mixer.mamba.b, &mixer.mamba.c, &mixer.mamba.dt}) {
      part->multiplier = next_of(ssm, index++);
    }
    mixer.mamba.out.multiplier = ssm_out;
    MlpSpec ff = mlp(source, d, layer_name(d, layer, d.names.mlp), d.intermediate);
    ff.gate->multiplier = next_of(mlps, 0);
    ff.down.multiplier = next_of(mlps, 1);
    return decoder_layer(source, d, layer, std::move(mixer), std::move(ff));
  });
}

}  // namespace assay::arch

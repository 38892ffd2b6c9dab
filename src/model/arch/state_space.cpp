#include "model/arch/state_space.h"

#include <fmt/core.h>

#include <limits>

namespace assay {

namespace {

constexpr int64_t kMostRows = int64_t{1} << 28;

/// [low, high]; absent: no limits.
void read_time_steps(Keys& keys, Mamba2Shape& shape) {
  shape.dt_high = std::numeric_limits<double>::infinity();
  const std::vector<double> limits = keys.numbers("time_step_limit");
  if (limits.empty()) return;
  if (limits.size() != 2 || !(limits[0] <= limits[1])) {
    keys.refuse("time_step_limit", "two numbers, the smaller one first");
  }
  shape.dt_low = limits[0];
  shape.dt_high = limits[1];
}

}  // namespace

int64_t read_kernel(Keys& keys, const char* key, int64_t otherwise) {
  const int64_t kernel = keys.size_or(key, otherwise);
  if (kernel > 1024) keys.refuse(key, "at most 1024");
  return kernel;
}

Mamba2Shape read_mamba2(Keys& keys, const Mamba2Keys& names, int64_t width) {
  Mamba2Shape shape;
  shape.heads = keys.size_or(names.heads, 128);
  // "auto" is written where the width says it.
  const bool derived = !keys.has(names.head_dim) || keys.is(names.head_dim, "auto");
  if (derived && width % shape.heads != 0) keys.refuse(names.heads, fmt::format("a divisor of the width {}", width));
  shape.head_dim = derived ? width / shape.heads : keys.size(names.head_dim);
  if (shape.head_dim == 0 || shape.heads > kMostRows / shape.head_dim ||
      (width > 0 && shape.heads * shape.head_dim != width)) {
    keys.refuse(names.head_dim, fmt::format("a size that makes {} heads as wide as the mixer, {}", shape.heads, width));
  }
  shape.groups = keys.size_or(names.groups, 1);
  if (shape.heads % shape.groups != 0) keys.refuse(names.groups, fmt::format("a divisor of {} heads", shape.heads));
  shape.states = keys.size(names.states);
  if (shape.groups > kMostRows / shape.states) keys.refuse(names.states, "less");
  shape.kernel = read_kernel(keys, names.kernel, 4);
  read_time_steps(keys, shape);
  return shape;
}

std::string decays(const Source& source, const std::string& module, const std::vector<int64_t>& shape) {
  const std::string plain = module + ".A";
  return source.tensor(source.has_module(source.stored(plain)) ? plain : module + ".A_log", shape);
}

ConvSpec conv1d(const Source& source, const std::string& module, int64_t channels, int64_t kernel, bool bias) {
  ConvSpec conv;
  conv.channels = channels;
  conv.kernel = kernel;
  conv.weight = source.tensor(module + ".weight", {channels, 1, kernel});
  if (bias) conv.bias = source.tensor(module + ".bias", {channels});
  return conv;
}

Mamba2Spec mamba2(const Source& source, const Decoder& d, const std::string& module, const Mamba2Shape& shape) {
  const int64_t width = shape.heads * shape.head_dim, state = shape.groups * shape.states;
  Mamba2Spec spec;
  spec.module = source.stored(module);
  const std::string in = module + ".in_proj";
  Rows rows{.stored = 2 * width + 2 * state + shape.heads};
  const auto next = [&](const char* alone, int64_t out) {
    LinearSpec part = source.linear_part(in, rows, in + alone, out, d.hidden, shape.in_bias);
    rows.first += out;
    return part;
  };
  spec.gate = next("_gate", width);
  spec.x = next("_x", width);
  spec.b = next("_b", state);
  spec.c = next("_c", state);
  spec.dt = next("_dt", shape.heads);
  spec.out = source.linear(module + ".out_proj", d.hidden, width, shape.out_bias);
  spec.conv = conv1d(source, module + ".conv1d", width + 2 * state, shape.kernel, shape.conv_bias);
  spec.a_log = decays(source, module, {shape.heads});
  spec.dt_bias = source.tensor(module + ".dt_bias", {shape.heads});
  spec.d = source.tensor(module + ".D", {shape.heads});
  spec.heads = shape.heads;
  spec.head_dim = shape.head_dim;
  spec.groups = shape.groups;
  spec.states = shape.states;
  spec.dt_low = shape.dt_low;
  spec.dt_high = shape.dt_high;
  spec.norm_before_gate = shape.norm_before_gate;
  if (!shape.norm) return spec;
  NormSpec norm = source.norm(module + ".norm", width, {.eps = d.norm.eps});
  norm.width = width / shape.norm_parts;
  norm.parts = shape.norm_parts;
  for (norm.part = 0; norm.part < norm.parts; ++norm.part) spec.norms.push_back(norm);
  return spec;
}

DecoderDefaults mamba_defaults(Keys& keys) {
  return {.norm_eps = 1e-5,
          .heads = 1,
          .mlp_ratio = keys.size_or("expand", 2),
          .has_rope = false,
          .keys = {.norm_eps = "layer_norm_epsilon"},
          .names = {.plain = "backbone.",
                    .embedding = "embeddings",
                    .final_norm = "norm_f",
                    .attention = "mixer",
                    .attention_norm = "norm",
                    .mlp_norm = ""}};
}

}  // namespace assay

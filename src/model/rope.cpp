#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace assay {

namespace {

using Type = RopeSpec::Type;

/// theta^(-2i/d), with exponent and result in float32.
std::vector<float> plain_frequencies(const RopeSpec& rope, double theta) {
  std::vector<float> f(static_cast<size_t>(rope.dims / 2));
  for (size_t i = 0; i < f.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rope.dims);
    f[i] = 1.0f / static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
  }
  return f;
}

/// Beyond the trained length the base grows with the sequence.
double dynamic_theta(const RopeSpec& rope, int64_t length) {
  if (length <= rope.max_positions) return rope.theta;
  const double ratio = static_cast<double>(length) / static_cast<double>(rope.max_positions);
  const auto d = static_cast<double>(rope.dims);
  return rope.theta * std::pow(rope.factor * ratio - (rope.factor - 1), d / (d - 2));
}

/// Long waves are stretched, short ones kept, those between blended.
double llama3_frequency(const RopeSpec& rope, double f) {
  const double turns = static_cast<double>(rope.original_max_positions) * f / (2 * std::numbers::pi);
  if (turns < rope.low_freq_factor) return f / rope.factor;
  if (turns > rope.high_freq_factor) return f;
  const double t = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return f * ((1 - t) / rope.factor + t);
}

/// The pair, as a real number, that makes `turns` turns within the trained length.
double yarn_pair(const RopeSpec& rope, double turns) {
  const auto trained = static_cast<double>(rope.original_max_positions);
  return static_cast<double>(rope.dims) * std::log(trained / (2 * std::numbers::pi * turns)) /
         (2 * std::log(rope.theta));
}

void yarn_frequencies(const RopeSpec& rope, std::vector<float>& frequencies) {
  double low = yarn_pair(rope, rope.beta_fast), high = yarn_pair(rope, rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rope.dims - 1));
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = static_cast<float>(frequencies[i] * (ramp / rope.factor + (1 - ramp)));
  }
}

std::vector<float> frequencies(const RopeSpec& rope, int64_t length) {
  std::vector<float> f = plain_frequencies(rope, rope.type == Type::dynamic ? dynamic_theta(rope, length) : rope.theta);
  switch (rope.type) {
    case Type::plain:
    case Type::dynamic:
      break;
    case Type::linear:
      for (float& x : f) x = static_cast<float>(x / rope.factor);
      break;
    case Type::llama3:
      for (float& x : f) x = static_cast<float>(llama3_frequency(rope, x));
      break;
    case Type::yarn:
      yarn_frequencies(rope, f);
      break;
    case Type::proportional:
      for (size_t i = static_cast<size_t>(rope.rotated_pairs); i < f.size(); ++i) f[i] = 0;
      break;
    case Type::longrope: {
      const std::vector<double>& divisors = length > rope.original_max_positions ? rope.long_factor : rope.short_factor;
      ASSAY_CHECK(divisors.size() == f.size());
      for (size_t i = 0; i < f.size(); ++i) f[i] = static_cast<float>(f[i] / divisors[i]);
      break;
    }
  }
  return f;
}

double attention_factor(const RopeSpec& rope, int64_t length) {
  const auto& own = length > rope.original_max_positions ? rope.long_magnitude : rope.short_magnitude;
  if (own) return *own;
  if (rope.attention_factor) return *rope.attention_factor;
  if (rope.type == Type::yarn) {
    const double mscale = rope.mscale.value_or(0), all_dim = rope.mscale_all_dim.value_or(0);
    if (mscale != 0 && all_dim != 0) return yarn_magnitude(rope, mscale) / yarn_magnitude(rope, all_dim);
    return yarn_magnitude(rope, 1);
  }
  if (rope.type == Type::longrope && rope.factor > 1) {
    return std::sqrt(1 + std::log(rope.factor) / std::log(static_cast<double>(rope.original_max_positions)));
  }
  return 1;
}

}  // namespace

double yarn_magnitude(const RopeSpec& rope, double x) {
  return rope.factor <= 1 ? 1 : 0.1 * x * std::log(rope.factor) + 1;
}

RopeTable make_rope_table(const RopeSpec& spec, int64_t length) {
  ASSAY_CHECK(length >= 0 && spec.dims >= 2 && spec.dims % 2 == 0);
  const std::vector<float> f = frequencies(spec, length);
  const auto scale = static_cast<float>(attention_factor(spec, length)), turn = spec.reversed ? -scale : scale;
  RopeTable table{.length = length, .pairs = spec.dims / 2, .interleaved = spec.interleaved, .cos = {}, .sin = {}};
  table.cos.reserve(static_cast<size_t>(length) * f.size());
  table.sin.reserve(static_cast<size_t>(length) * f.size());
  for (int64_t position = 0; position < length; ++position) {
    for (const float frequency : f) {
      const auto angle = static_cast<double>(static_cast<float>(position) * frequency);
      table.cos.push_back(static_cast<float>(std::cos(angle)) * scale);
      table.sin.push_back(static_cast<float>(std::sin(angle)) * turn);
    }
  }
  return table;
}

}  // namespace assay

#include <fmt/core.h>

#include <cmath>

#include "model/arch/arch.h"

namespace assay {

namespace {

using Type = RopeSpec::Type;

/// Multimodal rope ("mrope") rotates by three positions, which are equal for text.
Type read_type(Keys& section) {
  const char* key = section.has("rope_type") ? "rope_type" : "type";
  section.ignore({"type"});
  const std::string name = section.string_or(key, "default");
  if (name == "default" || name == "mrope") return Type::plain;
  if (name == "linear") return Type::linear;
  if (name == "dynamic") return Type::dynamic;
  if (name == "llama3") return Type::llama3;
  // An early name of longrope is that of another one.
  if (name == "yarn") return section.has("short_factor") ? Type::longrope : Type::yarn;
  if (name == "longrope" || name == "su") return Type::longrope;
  section.refuse(key, "default, linear, dynamic, llama3, yarn, longrope or mrope");
}

/// A null or absent factor is the ratio of the two context lengths.
double factor_or_ratio(Keys& section, const RopeSpec& rope) {
  if (section.has("factor") || rope.max_positions == 0 || rope.original_max_positions == 0) {
    return section.positive("factor");
  }
  return static_cast<double>(rope.max_positions) / static_cast<double>(rope.original_max_positions);
}

std::optional<double> positive_if(Keys& section, const char* key) {
  if (!section.has(key)) return std::nullopt;
  return section.positive(key);
}

void read_llama3(Keys& section, RopeSpec& rope) {
  rope.factor = section.positive("factor");
  rope.low_freq_factor = section.positive("low_freq_factor");
  rope.high_freq_factor = section.positive("high_freq_factor");
  if (rope.high_freq_factor <= rope.low_freq_factor) section.refuse("high_freq_factor", "more than low_freq_factor");
}

void read_yarn(Keys& section, RopeSpec& rope) {
  rope.factor = factor_or_ratio(section, rope);
  rope.attention_factor = positive_if(section, "attention_factor");
  if (const double value = section.number_or("beta_fast", 0); value != 0)
    rope.beta_fast = section.positive("beta_fast");
  if (const double value = section.number_or("beta_slow", 0); value != 0)
    rope.beta_slow = section.positive("beta_slow");
  rope.truncate = section.boolean_or("truncate", true);
  if (section.has("mscale")) rope.mscale = section.number_or("mscale", 0);
  if (section.has("mscale_all_dim")) rope.mscale_all_dim = section.number_or("mscale_all_dim", 0);
  if (rope.theta <= 1) section.refuse("rope_theta", "more than 1");
}

std::vector<double> read_factors(Keys& section, const char* key, int64_t pairs) {
  std::vector<double> factors = section.numbers(key);
  bool fits = static_cast<int64_t>(factors.size()) == pairs;
  for (const double factor : factors) fits = fits && factor > 0 && std::isfinite(factor);
  if (!fits) section.refuse(key, fmt::format("{} numbers above 0, one for each pair of rotated components", pairs));
  return factors;
}

void read_longrope(Keys& section, RopeSpec& rope) {
  rope.factor = factor_or_ratio(section, rope);
  rope.attention_factor = positive_if(section, "attention_factor");
  rope.short_factor = read_factors(section, "short_factor", rope.dims / 2);
  rope.long_factor = read_factors(section, "long_factor", rope.dims / 2);
  rope.short_magnitude = positive_if(section, "short_mscale");
  rope.long_magnitude = positive_if(section, "long_mscale");
  if (rope.original_max_positions == 1) section.refuse("original_max_position_embeddings", "more than 1");
}

/// Hunyuan's dynamic rope: another base at every length, for which the factor is of no use.
void read_alpha(Keys& section, RopeSpec& rope) {
  section.ignore({"factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"});
  if (rope.dims == 2) section.refuse("alpha", "nothing for heads with 2 rotated components");
  const auto d = static_cast<double>(rope.dims);
  rope.theta *= std::pow(section.positive("alpha"), d / (d - 2));
  rope.type = Type::plain;
}

void read_scaling(Keys& keys, Keys& section, RopeSpec& rope) {
  rope.type = read_type(section);
  // What the model was trained for: the whole config knows it better than the section.
  Keys& original = keys.has("original_max_position_embeddings") ? keys : section;
  section.ignore({"original_max_position_embeddings", "max_position_embeddings"});
  rope.original_max_positions = original.size_or("original_max_position_embeddings", rope.max_positions);
  switch (rope.type) {
    case Type::plain:
    case Type::proportional:
      return;
    case Type::linear:
      rope.factor = section.positive("factor");
      return;
    case Type::dynamic:
      if (section.has("alpha")) return read_alpha(section, rope);
      rope.factor = section.positive("factor");
      break;
    case Type::llama3:
      read_llama3(section, rope);
      break;
    case Type::yarn:
      read_yarn(section, rope);
      break;
    case Type::longrope:
      read_longrope(section, rope);
      break;
  }
  if (rope.type == Type::dynamic) {
    if (rope.max_positions == 0) keys.refuse("max_position_embeddings", "a length, on which dynamic rope depends");
    if (rope.dims == 2) keys.refuse("head_dim", "more than 2 rotated components for dynamic rope");
  } else if (rope.original_max_positions == 0) {
    section.refuse("original_max_position_embeddings", "a length, on which this rope_type depends");
  }
}

}  // namespace

bool has_rope_of(Keys& keys, const char* layer_type) {
  Keys* section = keys.has("rope_scaling") ? nullptr : keys.section("rope_parameters");
  return section && section->has(layer_type);
}

RopeSpec read_rope(Keys& keys, int64_t head_dim, const RopeDefaults& defaults) {
  // A rope_scaling replaces rope_parameters, as it does in the library.
  keys.ignore({"rope_parameters", "original_max_position_embeddings"});
  Keys* section = keys.section("rope_scaling");
  if (!section) section = keys.section("rope_parameters");
  if (defaults.layer_type && has_rope_of(keys, defaults.layer_type)) section = section->section(defaults.layer_type);

  RopeSpec rope;
  rope.interleaved = defaults.interleaved;
  rope.max_positions = keys.size_or("max_position_embeddings", defaults.max_positions);
  rope.theta = keys.positive_or("rope_theta", defaults.theta);
  const bool whole = defaults.partial == 0 && defaults.dims == 0;
  const double otherwise = defaults.dims > 0 ? static_cast<double>(defaults.dims) / static_cast<double>(head_dim)
                                             : (whole ? 1 : defaults.partial);
  double partial = keys.positive_or("partial_rotary_factor", otherwise);
  if (section) {
    rope.theta = section->positive_or("rope_theta", rope.theta);
    partial = section->positive_or("partial_rotary_factor", partial);
  }
  // What the library that saves such models never looks at, and other runtimes do.
  if (whole && partial != 1) keys.refuse("partial_rotary_factor", "1, as models of this type rotate whole heads");
  // A share that was a number of components is that number again, whatever rounding made of it.
  const double dims = std::floor(static_cast<double>(head_dim) * partial + (defaults.dims > 0 ? 1e-6 : 0));
  if (!(dims >= 2 && dims <= static_cast<double>(head_dim)) || std::fmod(dims, 2) != 0) {
    keys.refuse("partial_rotary_factor", fmt::format("a share of head_dim {} that is even and not 0", head_dim));
  }
  rope.dims = static_cast<int64_t>(dims);
  if (section) read_scaling(keys, *section, rope);
  return rope;
}

}  // namespace assay

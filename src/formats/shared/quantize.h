#pragma once
#include <cstdint>

#include "formats/shared/activation.h"
#include "formats/shared/minifloat.h"

namespace assay {

// Quantize-dequantize as compressed-tensors does it in float32: x^ = (round(clamp(x / scale + zero)) - zero) * scale.
// Loops are written for the vectorizer: no branches, and comparisons that let a NaN through to the output. They stay
// out of line, since a range known at compile time tempts the compiler to branch on it.

/// Codes of an element type.
struct CodeRange {
  float low, high;
};
inline CodeRange code_range(ActivationQuant::Element element, int bits) {
  if (element == ActivationQuant::Element::e4m3) return {-kLargestE4m3, kLargestE4m3};
  if (element == ActivationQuant::Element::e5m2) return {-kLargestE5m2, kLargestE5m2};
  if (element == ActivationQuant::Element::e2m1) return {-kLargestE2m1, kLargestE2m1};
  const float half = static_cast<float>(1 << (bits - 1));
  return {-half, half - 1};
}

template <ActivationQuant::Element kElement>
float nearest_code(float value) {
  if constexpr (kElement == ActivationQuant::Element::integer) return round_to_integer(value);
  if constexpr (kElement == ActivationQuant::Element::e4m3) return round_to_e4m3(value);
  if constexpr (kElement == ActivationQuant::Element::e5m2) return round_to_e5m2(value);
  // The library multiplies the rounded magnitude by sign(value), which makes a 0 of -0: so does the sum.
  return round_to_e2m1(value + 0.0f);
}

inline float clamp_code(float value, CodeRange range) {
  const float raised = range.low > value ? range.low : value;
  return range.high < raised ? range.high : raised;
}

template <ActivationQuant::Element kElement>
[[gnu::noinline]] void quantize_run(float* x, int64_t count, CodeRange range, float scale) {
  for (int64_t i = 0; i < count; ++i) x[i] = nearest_code<kElement>(clamp_code(x[i] / scale, range)) * scale;
}

template <ActivationQuant::Element kElement>
[[gnu::noinline]] void quantize_run(float* x, int64_t count, CodeRange range, float scale, float zero) {
  for (int64_t i = 0; i < count; ++i) {
    x[i] = (nearest_code<kElement>(clamp_code(x[i] / scale + zero, range)) - zero) * scale;
  }
}

/// x^ = clamp(round(x * to) + zero) - zero, times `from`: the order of libraries that multiply by a reciprocal.
template <ActivationQuant::Element kElement>
[[gnu::noinline]] void quantize_multiplied(float* x, int64_t count, CodeRange range, float to, float from, float zero) {
  for (int64_t i = 0; i < count; ++i) {
    // Clamped before as well, widely: only small numbers can be rounded.
    const float code = nearest_code<kElement>(clamp_code(x[i] * to, {4 * range.low, 4 * range.high}));
    x[i] = (clamp_code(code + zero, range) - zero) * from;
  }
}

/// The same where the scale is an inverse: x^ = clamp(round(x * scale)) / scale.
template <ActivationQuant::Element kElement>
[[gnu::noinline]] void quantize_inverse(float* x, int64_t count, CodeRange range, float scale) {
  for (int64_t i = 0; i < count; ++i) x[i] = nearest_code<kElement>(clamp_code(x[i] * scale, range)) / scale;
}

}  // namespace assay

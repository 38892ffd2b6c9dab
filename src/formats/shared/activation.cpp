#include "formats/shared/activation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "formats/shared/quantize.h"

namespace assay {

namespace {

using Element = ActivationQuant::Element;
using Scope = ActivationQuant::Scope;
using ScaleRule = ActivationQuant::ScaleRule;
using Arithmetic = ActivationQuant::Arithmetic;

constexpr float kTiniestScale = std::numeric_limits<float>::epsilon();  // in the place of a scale of 0

/// Largest magnitude. As integers, magnitudes order like floats, and a NaN comes out on top.
float largest(const float* x, int64_t count) {
  int32_t top = 0;
  for (int64_t i = 0; i < count; ++i) {
    const auto bits = static_cast<int32_t>(bits_of_float(x[i]) & ~kSignBit);
    top = bits > top ? bits : top;
  }
  return float_of_bits(static_cast<uint32_t>(top));
}

/// Least and greatest value, 0 included.
std::pair<float, float> extremes(const float* x, int64_t count) {
  constexpr int kLanes = 8;
  float low[kLanes] = {}, high[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int k = 0; k < kLanes; ++k) {
      low[k] = x[i + k] < low[k] ? x[i + k] : low[k];
      high[k] = x[i + k] > high[k] ? x[i + k] : high[k];
    }
  }
  for (; i < count; ++i) {
    low[0] = x[i] < low[0] ? x[i] : low[0];
    high[0] = x[i] > high[0] ? x[i] : high[0];
  }
  return {*std::min_element(low, low + kLanes), *std::max_element(high, high + kLanes)};
}

/// NVFP4: the scale of 16 values is itself stored in E4M3, multiplied by the global scale.
float nvfp4_scale(float amax, float global) {
  const float scale = round_to_e4m3(std::clamp(global * (amax / kLargestE2m1), -kLargestE4m3, kLargestE4m3));
  return (scale == 0 ? 0.125f : scale) / global;
}

/// The same where the global scale multiplies. May be 0: then so is every value.
float nvfp4_multiplied_scale(float amax, float global) {
  return round_to_e4m3(std::min(amax / (kLargestE2m1 * global), kLargestE4m3)) * global;
}

/// The least power of two that is not below.
float next_power_of_two(float scale) {
  const uint32_t exponent = (bits_of_float(scale) + 0x7FFFFF) >> 23;
  return float_of_e8m0(static_cast<uint8_t>(std::min(exponent, 255u)));
}

/// MX: a power of two. The largest magnitude is rounded to one, up from a mantissa of 1.75, and must come out as the
/// largest power of two of the element type.
///
/// The other rules differ in what is added before the mantissa is cut: half of the element type's last place, nothing
/// (then magnitudes above the element type's largest saturate), or all ones. Integers count as having two bits before
/// the point.
template <Element kElement>
float mx_scale(float amax, uint32_t added) {
  constexpr int kLargestExponent = kElement == Element::e4m3 ? 8 : kElement == Element::e5m2 ? 15 : 2;
  const int exponent = static_cast<int>((bits_of_float(amax) + added) >> 23) - kLargestExponent;
  return float_of_e8m0(static_cast<uint8_t>(std::clamp(exponent, 0, 255)));
}

template <Element kElement>
constexpr uint32_t half_of_last_place() {
  constexpr int kMantissa = kElement == Element::e4m3 ? 3 : kElement == Element::e5m2 ? 2 : 1;
  return 1u << (22 - kMantissa);
}

/// May be 0: then so is every value.
float e5m3_scale(float amax) {
  constexpr float kLargest = 114688;  // code 254; 255 is NaN
  return round_to_minifloat<-14, 3>(std::min(amax / kLargestE2m1, kLargest));
}

template <Element kElement>
void quantize_asymmetric(const ActivationQuant& quant, CodeRange range, float* x, int64_t count) {
  const auto [least, greatest] = extremes(x, count);
  float scale = std::max(greatest - least, quant.least_amax) / (range.high - range.low);
  if (scale == 0) scale = kTiniestScale;
  if (quant.arithmetic == Arithmetic::reciprocal) {
    const float zero = std::clamp(range.low - round_to_integer(least / scale), range.low, range.high);
    return quantize_multiplied<kElement>(x, count, range, 1 / scale, scale, zero);
  }
  const float zero = round_to_integer(std::clamp(range.low - least / scale, range.low, range.high));
  quantize_run<kElement>(x, count, range, scale, zero);
}

template <Element kElement>
float dynamic_scale(const ActivationQuant& quant, CodeRange range, float amax) {
  const float top = quant.top > 0 ? quant.top : (range.high - range.low) / 2;
  const float scale = amax / top;
  switch (quant.scale_rule) {
    case ScaleRule::plain:
      return scale == 0 ? kTiniestScale : scale;
    case ScaleRule::half:
      return 1 / scale <= std::numeric_limits<float>::max() ? scale : 0;
    case ScaleRule::power_of_two:
      return next_power_of_two(scale);
    case ScaleRule::nvfp4:
      return nvfp4_scale(amax, quant.global_scale);
    case ScaleRule::nvfp4_multiply:
      return nvfp4_multiplied_scale(amax, quant.global_scale);
    case ScaleRule::nvfp4_inverse:
      return std::clamp(scale / quant.global_scale, 0x1p-6f, kLargestE4m3);
    case ScaleRule::mx:
      return mx_scale<kElement>(amax, 0x200000);
    case ScaleRule::mx_even:
      return mx_scale<kElement>(amax, half_of_last_place<kElement>());
    case ScaleRule::mx_floor:
      return mx_scale<kElement>(amax, 0);
    case ScaleRule::mx_ceil:
      return mx_scale<kElement>(amax, 0x7FFFFF);
    case ScaleRule::e5m3:
      return e5m3_scale(amax);
  }
  ASSAY_CHECK(!"a rule without a scale");
  return 0;
}

template <Element kElement>
void quantize_dynamic(const ActivationQuant& quant, CodeRange range, float* x, int64_t count) {
  if (!quant.symmetric) return quantize_asymmetric<kElement>(quant, range, x, count);
  float amax = largest(x, count);
  if (quant.most_amax > 0 && amax > quant.most_amax) amax = quant.most_amax;
  if (amax < quant.least_amax) amax = quant.least_amax;
  if (quant.arithmetic == Arithmetic::inverse) return quantize_inverse<kElement>(x, count, range, quant.top / amax);
  const float scale = dynamic_scale<kElement>(quant, range, amax);
  if (scale == 0) {
    std::fill_n(x, count, 0.0f);
    return;
  }
  if (quant.scale_rule == ScaleRule::half) {
    return quantize_multiplied<kElement>(x, count, range, 1 / scale, round_to_f16(scale), 0);
  }
  if (quant.scale_rule == ScaleRule::nvfp4_inverse) {
    const float stored = round_to_e4m3(scale);
    return quantize_multiplied<kElement>(x, count, range, 1 / quant.global_scale / stored, quant.global_scale * stored,
                                         0);
  }
  if (quant.arithmetic == Arithmetic::divide) return quantize_run<kElement>(x, count, range, scale);
  quantize_multiplied<kElement>(x, count, range, 1 / scale, scale, 0);
}

template <Element kElement>
void quantize_row(const ActivationQuant& quant, float* row, int64_t cols) {
  CodeRange range = code_range(quant.element, quant.bits);
  // MX integers are a sign and a magnitude.
  if (quant.scale_rule == ScaleRule::mx_floor) range.low = -range.high;
  const auto runs = static_cast<int64_t>(quant.scale.size());
  switch (quant.scope) {
    case Scope::tensor:
      ASSAY_CHECK(runs > 0);
      if (cols % runs != 0) fail("{} static activation scales do not divide {} columns", runs, cols);
      for (int64_t run = 0, size = cols / runs; run < runs; ++run) {
        float* x = row + run * size;
        const float scale = quant.scale[run];
        if (quant.arithmetic == Arithmetic::reciprocal) {
          const float zero = quant.zero_point.empty() ? 0 : quant.zero_point[run];
          quantize_multiplied<kElement>(x, size, range, 1 / scale, scale, zero);
        } else if (quant.zero_point.empty()) {
          quantize_run<kElement>(x, size, range, scale);
        } else {
          quantize_run<kElement>(x, size, range, scale, quant.zero_point[run]);
        }
      }
      return;
    case Scope::token:
      return quantize_dynamic<kElement>(quant, range, row, cols);
    case Scope::group:
      ASSAY_CHECK(quant.group_size > 0);
      for (int64_t i = 0; i < cols; i += quant.group_size) {
        quantize_dynamic<kElement>(quant, range, row + i, std::min(quant.group_size, cols - i));
      }
      return;
    case Scope::call:
      ASSAY_CHECK(!"a call is more than a row");
  }
}

void quantize_scaled_row(const ActivationQuant& quant, float* row, int64_t cols) {
  switch (quant.element) {
    case Element::none:
      return;
    case Element::integer:
      return quantize_row<Element::integer>(quant, row, cols);
    case Element::e4m3:
      return quantize_row<Element::e4m3>(quant, row, cols);
    case Element::e5m2:
      return quantize_row<Element::e5m2>(quant, row, cols);
    case Element::e2m1:
      return quantize_row<Element::e2m1>(quant, row, cols);
    case Element::f16:
      for (int64_t i = 0; i < cols; ++i) row[i] = round_to_f16(row[i]);
      return;
    case Element::bf16:
      for (int64_t i = 0; i < cols; ++i) row[i] = float_of_bf16(bits_of_bf16(row[i]));
      return;
    case Element::other:
      emulated(quant);
  }
}

}  // namespace

const ActivationQuant& emulated(const ActivationQuant& quant) {
  if (quant.element == Element::other) fail("{}\n  what is left can be measured: --activations none", quant.refusal);
  return quant;
}

void quantize_activations(const ActivationQuant& quant, float* row, int64_t cols) {
  const std::vector<float>& scale = quant.column_scale;
  ASSAY_CHECK(scale.empty() || static_cast<int64_t>(scale.size()) == cols);
  if (scale.empty() || !quant.active()) return quantize_scaled_row(quant, row, cols);
  for (int64_t i = 0; i < cols; ++i) row[i] *= scale[i];
  quantize_scaled_row(quant, row, cols);
  for (int64_t i = 0; i < cols; ++i) row[i] /= scale[i];
}

}  // namespace assay

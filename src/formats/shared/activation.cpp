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

/// MX: a power of two. The largest magnitude is rounded to one, up from a mantissa of 1.75, and must come out as the
/// largest power of two of the element type.
template <Element kElement>
float mx_scale(float amax) {
  constexpr int kLargestExponent = kElement == Element::e4m3 ? 8 : 2;
  const int exponent = static_cast<int>((bits_of_float(amax) + 0x200000) >> 23) - kLargestExponent;
  return float_of_e8m0(static_cast<uint8_t>(std::clamp(exponent, 0, 255)));
}

template <Element kElement>
void quantize_dynamic(const ActivationQuant& quant, CodeRange range, float* x, int64_t count) {
  if (!quant.symmetric) {
    const auto [least, greatest] = extremes(x, count);
    const float spread = (greatest - least) / (range.high - range.low);
    const float scale = spread == 0 ? kTiniestScale : spread;
    const float zero = round_to_integer(std::clamp(range.low - least / scale, range.low, range.high));
    return quantize_run<kElement>(x, count, range, scale, zero);
  }
  const float amax = largest(x, count);
  float scale = 0;
  switch (quant.scale_rule) {
    case ScaleRule::plain:
      scale = amax / ((range.high - range.low) / 2);
      if (scale == 0) scale = kTiniestScale;
      break;
    case ScaleRule::nvfp4:
      scale = nvfp4_scale(amax, quant.global_scale);
      break;
    case ScaleRule::mx:
      scale = mx_scale<kElement>(amax);
      break;
  }
  quantize_run<kElement>(x, count, range, scale);
}

template <Element kElement>
void quantize_row(const ActivationQuant& quant, float* row, int64_t cols) {
  const CodeRange range = code_range(quant.element, quant.bits);
  const auto runs = static_cast<int64_t>(quant.scale.size());
  switch (quant.scope) {
    case Scope::tensor:
      ASSAY_CHECK(runs > 0);
      if (cols % runs != 0) fail("{} static activation scales do not divide {} columns", runs, cols);
      for (int64_t run = 0, size = cols / runs; run < runs; ++run) {
        float* x = row + run * size;
        if (quant.zero_point.empty()) {
          quantize_run<kElement>(x, size, range, quant.scale[run]);
        } else {
          quantize_run<kElement>(x, size, range, quant.scale[run], quant.zero_point[run]);
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

}  // namespace

void quantize_activations(const ActivationQuant& quant, float* row, int64_t cols) {
  switch (quant.element) {
    case Element::none:
      return;
    case Element::integer:
      return quantize_row<Element::integer>(quant, row, cols);
    case Element::e4m3:
      return quantize_row<Element::e4m3>(quant, row, cols);
    case Element::e2m1:
      return quantize_row<Element::e2m1>(quant, row, cols);
  }
}

}  // namespace assay

#include "formats/shared/outliers.h"

#include <cmath>

#include "base/error.h"
#include "formats/shared/minifloat.h"

namespace assay {

namespace {

/// Clears the flags of the columns where |x| reaches the threshold.
void find_outliers(const float* x, int64_t cols, float threshold, uint8_t* small) {
  for (int64_t c = 0; c < cols; ++c) small[c] &= !(std::fabs(round_to_f16(x[c])) >= threshold);
}

float largest_below(const float* x, int64_t cols, float threshold) {
  float largest = 0;
  for (int64_t c = 0; c < cols; ++c) {
    const float magnitude = std::fabs(round_to_f16(x[c]));
    largest = magnitude < threshold && magnitude > largest ? magnitude : largest;
  }
  return largest;
}

}  // namespace

void quantize_call(const ActivationQuant& quant, float* rows, int64_t count, int64_t cols, int64_t stride) {
  ASSAY_CHECK(quant.scope == ActivationQuant::Scope::call && quant.element == ActivationQuant::Element::integer);
  const float threshold = quant.outlier_threshold > 0 ? quant.outlier_threshold : INFINITY;
  std::vector<uint8_t> small(cols, 1);
  for (int64_t r = 0; r < count; ++r) find_outliers(rows + r * stride, cols, threshold, small.data());
  for (int64_t r = 0; r < count; ++r) {
    float* x = rows + r * stride;
    const float largest = largest_below(x, cols, threshold);
    const float to_code = largest > 0 ? 127 / largest : 0, to_value = largest / 127;
    for (int64_t c = 0; c < cols; ++c) {
      const float quantized = round_to_integer(round_to_f16(x[c]) * to_code) * to_value;
      x[c] = small[c] ? quantized : x[c];
    }
  }
}

}  // namespace assay

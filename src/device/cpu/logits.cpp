#include <algorithm>
#include <cmath>

#include "device/cpu/kernels.h"
#include "device/cpu/simd.h"

namespace assay {

namespace {

/// Clamps from below in place and returns the largest value; `finite` is cleared by NaN and +Inf.
ASSAY_CLONES float clamp_and_max(float* x, int64_t count, bool& finite) {
  simd::Floats floor, best, poison{};
  simd::splat(-200.0f, floor);
  best = floor;
  int64_t i = 0;
  for (; i + simd::kLanes <= count; i += simd::kLanes) {
    simd::Floats v;
    simd::load(x + i, v);
    v = v < floor ? floor : v;
    best = v > best ? v : best;
    poison += v - v;
    simd::store(x + i, v);
  }
  float top = simd::max(best), bad = simd::sum(poison);
  for (; i < count; ++i) {
    if (x[i] < -200.0f) x[i] = -200.0f;
    if (x[i] > top) top = x[i];
    bad += x[i] - x[i];
  }
  if (!(bad == 0)) finite = false;
  return top;
}

/// Sum of exp(x - max), added up in double.
ASSAY_CLONES double sum_exp(const float* x, int64_t count, float max) {
  simd::Floats shift;
  simd::splat(max, shift);
  simd::Doubles lanes{};
  for (int64_t i = 0; i < count; i += simd::kLanes) {
    simd::Floats v;
    if (i + simd::kLanes <= count) {
      simd::load(x + i, v);
    } else {
      simd::load_part(x + i, count - i, -1e30f, v);
    }
    v -= shift;
    simd::exp(v);
    simd::add(v, lanes);
  }
  return simd::sum(lanes);
}

ASSAY_CLONES void shape_row(float* x, int64_t count, const float* bias, float multiplier, float softcap) {
  const float before = softcap > 0 ? multiplier / softcap : multiplier, after = softcap > 0 ? softcap : 1;
  for (int64_t i = 0; i < count; i += simd::kLanes) {
    const int64_t n = count - i < simd::kLanes ? count - i : simd::kLanes;
    simd::Floats v, b{};
    simd::load_part(x + i, n, 0, v);
    if (bias) simd::load_part(bias + i, n, 0, b);
    v = (v + b) * before;
    const simd::Floats poison = v - v;  // a cap must not hide an Inf
    if (softcap > 0) simd::tanh(v);
    v = v * after + poison;
    for (int64_t l = 0; l < n; ++l) x[i + l] = v[l];
  }
}

}  // namespace

void shape_logits(const LogitShape& shape, int64_t first, int64_t cols, int64_t rows, float* products) {
  const float* bias = shape.bias.floats() > 0 ? shape.bias.data() + first : nullptr;
  if (!bias && shape.multiplier == 1 && shape.softcap == 0) return;
  for (int64_t r = 0; r < rows; ++r) shape_row(products + r * cols, cols, bias, shape.multiplier, shape.softcap);
}

void fold_logits(float* logits, int64_t count, int64_t first_id, int32_t target, LogitSummary& state) {
  const float top = clamp_and_max(logits, count, state.finite);
  if (top > state.max) {
    state.sum *= std::exp(static_cast<double>(state.max) - static_cast<double>(top));
    state.max = top;
    state.top = static_cast<int32_t>(first_id + (std::find(logits, logits + count, top) - logits));
  }
  state.sum += sum_exp(logits, count, state.max);
  if (target >= first_id && target < first_id + count) state.target = logits[target - first_id];
}

void clamp_logits(float* logits, int64_t count) {
  bool ignored = true;
  clamp_and_max(logits, count, ignored);
}

}  // namespace assay

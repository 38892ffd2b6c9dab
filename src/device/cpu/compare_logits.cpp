#include <algorithm>
#include <cmath>

#include "device/cpu/kernels.h"
#include "device/cpu/simd.h"

namespace assay {

namespace {

struct Sums {
  double mass = 0, gain = 0, curve = 0, tilt = 0;
};

/// e^d - 1 - d for |d| < 0.35, relative error below 2e-7 (Taylor series up to d^8).
ASSAY_INLINE void curve_of_small(const simd::Floats& d, simd::Floats& v) {
  v = d * 2.4801587e-5f + 1.9841270e-4f;
  v = v * d + 1.3888889e-3f;
  v = v * d + 8.3333333e-3f;
  v = v * d + 4.1666667e-2f;
  v = v * d + 1.6666667e-1f;
  v = v * d + 0.5f;
  v = v * (d * d);
}

/// The sums of LogitComparison over `count` ids.
ASSAY_CLONES void compare(const float* logits, const float* reference, int64_t count, float max, float reference_max,
                          Sums& sums) {
  simd::Floats model_shift, shift, between, small;
  simd::splat(max, model_shift);
  simd::splat(reference_max, shift);
  simd::splat(max - reference_max, between);
  simd::splat(0.35f, small);
  simd::Doubles mass{}, gained{}, curved{}, tilted{};
  for (int64_t i = 0; i < count; i += simd::kLanes) {
    simd::Floats m, r;
    if (i + simd::kLanes <= count) {
      simd::load(logits + i, m);
      simd::load(reference + i, r);
    } else {
      simd::load_part(logits + i, count - i, -1e30f, m);
      simd::load_part(reference + i, count - i, -1e30f, r);
    }
    const simd::Floats d = (m - r) - between;  // close logits: both differences are exact
    m -= model_shift;
    r -= shift;
    simd::Floats near;
    curve_of_small(d, near);
    simd::exp(r);
    simd::exp(m);
    const simd::Floats size = d < -d ? -d : d;
    const simd::Floats gain = size < small ? r * (near + d) : m - r;
    simd::add(r, mass);
    simd::add(gain, gained);
    simd::add(size < small ? r * near : gain - r * d, curved);
    simd::add(gain * d, tilted);
  }
  sums = {simd::sum(mass), simd::sum(gained), simd::sum(curved), simd::sum(tilted)};
}

/// The same sums under other maxima.
void rebase(LogitComparison& state, float max, float reference_max) {
  const double factor = std::exp(static_cast<double>(state.reference_max) - static_cast<double>(reference_max));
  const double c = (static_cast<double>(state.max) - static_cast<double>(max)) -
                   (static_cast<double>(state.reference_max) - static_cast<double>(reference_max));
  if (state.mass > 0 && (factor != 1 || c != 0)) {
    const double shift = state.gain - state.curve;                                        // sum of w d
    const double model_mass = state.mass + state.gain, model_shift = state.tilt + shift;  // sums of w e^d, w e^d d
    const double moved = factor * (shift + c * state.mass), grown = factor * std::exp(c);
    state.mass *= factor;
    state.gain = grown * model_mass - state.mass;
    state.curve = state.gain - moved;
    state.tilt = grown * (model_shift + c * model_mass) - moved;
  }
  state.max = max;
  state.reference_max = reference_max;
}

ASSAY_INLINE float max_of(const float* x, int64_t count) {
  simd::Floats best;
  simd::splat(-1e30f, best);
  int64_t i = 0;
  for (; i + simd::kLanes <= count; i += simd::kLanes) {
    simd::Floats v;
    simd::load(x + i, v);
    best = v > best ? v : best;
  }
  float top = simd::max(best);
  for (; i < count; ++i) top = x[i] > top ? x[i] : top;
  return top;
}

}  // namespace

ASSAY_CLONES void fold_top(const float* logits, int64_t count, int64_t first_id, TopLogits& top) {
  constexpr int64_t kBlock = 64;
  for (int64_t i = 0; i < count; i += kBlock) {
    const int64_t end = std::min(count, i + kBlock);
    if (!(max_of(logits + i, end - i) > top.logit.back())) continue;
    for (int64_t j = i; j < end; ++j) top.offer(logits[j], static_cast<int32_t>(first_id + j));
  }
}

ASSAY_CLONES int32_t count_above(const float* x, int64_t count, float threshold) {
  int32_t above = 0;
  for (int64_t i = 0; i < count; ++i) above += x[i] > threshold ? 1 : 0;
  return above;
}

ASSAY_CLONES void fold_comparison(const float* logits, const float* reference, int64_t count, int64_t first_id,
                                  LogitComparison& state) {
  rebase(state, std::max(state.max, max_of(logits, count)), std::max(state.reference_max, max_of(reference, count)));
  Sums sums;
  compare(logits, reference, count, state.max, state.reference_max, sums);
  state.mass += sums.mass;
  state.gain += sums.gain;
  state.curve += sums.curve;
  state.tilt += sums.tilt;
  if (state.watched < 0) return;
  state.above += count_above(logits, count, state.threshold);
  const int64_t own = state.watched - first_id;
  if (own >= 0 && own < count && logits[own] > state.threshold) --state.above;
}

// With p, q the two probabilities of an id, t = (q - p) / (p + q) = tanh((ln q - ln p) / 2), and the id's part is
// (p + q) / 4 * ((1 + t) ln(1 + t) + (1 - t) ln(1 - t)).
void fold_jensen_shannon(const float* logits, const float* reference, int64_t count, const LogitComparison& state,
                         double& sum) {
  constexpr double kNothing = 1e-25;  // of all ids together far below the last digit
  const double shift = std::log1p(state.gain / state.mass);
  const float between = state.max - state.reference_max;
  double total = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double p = std::exp(static_cast<double>(reference[i] - state.reference_max)) / state.mass;
    const double ratio = static_cast<double>((logits[i] - reference[i]) - between) - shift;  // ln q - ln p
    const double both = p * (1 + std::exp(ratio));
    if (both < kNothing) continue;
    const double t = std::tanh(ratio / 2), t2 = t * t;
    if (t2 < 1e-4) {
      total += both * t2 * (1 + t2 * (1.0 / 6 + t2 / 15));
    } else {
      const double rest = t2 < 1 ? (1 - std::fabs(t)) * std::log1p(-std::fabs(t)) : 0;
      total += both * ((1 + std::fabs(t)) * std::log1p(std::fabs(t)) + rest);
    }
  }
  sum += total / 4;
}

}  // namespace assay

#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/clones.h"

namespace assay::simd {

/// Sixteen lanes, whatever the hardware's width: the order of every sum is the same on all of them.
constexpr int kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef double Doubles __attribute__((vector_size(128)));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));

ASSAY_INLINE void load(const float* p, Floats& v) {
  std::memcpy(&v, p, sizeof v);
}
ASSAY_INLINE void store(float* p, const Floats& v) {
  std::memcpy(p, &v, sizeof v);
}
/// The first n lanes from p, the others `fill`.
ASSAY_INLINE void load_part(const float* p, int64_t n, float fill, Floats& v) {
  for (int i = 0; i < kLanes; ++i) v[i] = i < n ? p[i] : fill;
}
ASSAY_INLINE void splat(float x, Floats& v) {
  v = x - Floats{};
}

/// v = e^v, relative error below 2e-7 (Cody-Waite reduction, polynomial of degree 6); 0 below -87.3; NaN stays NaN.
ASSAY_INLINE void exp(Floats& v) {
  const Floats x = v;
  Floats low, high;
  splat(-87.3f, low);
  splat(88.0f, high);
  const Ints under = x < low;
  Floats c = under ? low : x;
  c = c > high ? high : c;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
  const Floats shifted = c * 1.44269504f + kRound;
  const Floats n = shifted - kRound;
  const Floats r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  Words bits, scale;
  std::memcpy(&bits, &shifted, sizeof bits);
  scale = (bits << 23) + (127u << 23);  // 2^n as a float: the constant's own bits are shifted out
  Floats power;
  std::memcpy(&power, &scale, sizeof power);
  const Floats zero{};
  v = under ? zero : p * power;
}

/// v = tanh(v), relative error below 4e-7: the series near 0, 1 - 2 / (e^2v + 1) beyond.
ASSAY_INLINE void tanh(Floats& v) {
  const Floats x = v, square = x * x;
  Floats p = square * 0.0218694885f - 0.0539682540f;
  p = p * square + 0.1333333333f;
  p = p * square - 0.3333333333f;
  const Floats series = x + x * square * p;
  Floats e = x + x;
  exp(e);
  const Floats beyond = 1.0f - 2.0f / (e + 1.0f);
  v = square < 0.0625f ? series : beyond;
}

ASSAY_INLINE float sum(const Floats& v) {
  float halves[8];
  for (int i = 0; i < 8; ++i) halves[i] = v[i] + v[i + 8];
  return ((halves[0] + halves[4]) + (halves[2] + halves[6])) + ((halves[1] + halves[5]) + (halves[3] + halves[7]));
}
/// sum += v, lane by lane.
ASSAY_INLINE void add(const Floats& v, Doubles& sum) {
  sum += __builtin_convertvector(v, Doubles);
}
ASSAY_INLINE double sum(const Doubles& v) {
  double total = 0;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
}
/// NaN lanes are ignored.
ASSAY_INLINE float max(const Floats& v) {
  float best = v[0];
  for (int i = 1; i < kLanes; ++i) best = v[i] > best ? v[i] : best;
  return best;
}

}  // namespace assay::simd

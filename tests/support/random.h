#pragma once
#include <cstdint>
#include <random>
#include <vector>

namespace assay::test {

/// `count` values drawn from `distribution`; the same for the same seed.
template <class Distribution>
std::vector<float> draw(int64_t count, uint64_t seed, Distribution distribution) {
  std::mt19937_64 engine(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = distribution(engine);
  return values;
}

/// Normally distributed around zero with this standard deviation.
inline std::vector<float> random_values(int64_t count, uint64_t seed, float scale = 1) {
  return draw(count, seed, std::normal_distribution<float>(0, scale));
}

inline std::vector<float> uniform_values(int64_t count, uint64_t seed, float low, float high) {
  return draw(count, seed, std::uniform_real_distribution<float>(low, high));
}

}  // namespace assay::test

#include "forward/noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace assay {

namespace {

constexpr uint64_t kSeed = 1;

/// SplitMix64 (Steele, Lea & Flood 2014) of a counter.
uint64_t scramble(uint64_t counter) {
  uint64_t z = (counter + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// Box & Muller 1958.
double normal(uint64_t counter) {
  const uint64_t bits = scramble(counter);
  const double u = (static_cast<double>(bits >> 32) + 0.5) * 0x1p-32;
  const double v = static_cast<double>(bits & 0xffffffffu) * 0x1p-32;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

}  // namespace

void add_noise(Device& device, HiddenStates& hidden, int64_t layer, double sigma) {
  constexpr int64_t kRows = 1024;
  const auto width = static_cast<uint64_t>(hidden.width());
  std::vector<float> values;
  for (int64_t first = 0; first < hidden.tokens(); first += kRows) {
    const int64_t count = std::min(kRows, hidden.tokens() - first);
    const Matrix x = hidden.get(first, count);
    values.resize(static_cast<size_t>(count) * width);
    device.download(x.data, values);
    const uint64_t start = scramble(kSeed << 32 | static_cast<uint64_t>(layer)) + static_cast<uint64_t>(first) * width;
    for (size_t i = 0; i < values.size(); ++i) values[i] *= static_cast<float>(1 + sigma * normal(start + i));
    device.upload(values, x.data);
    hidden.put(first, x);
  }
}

}  // namespace assay

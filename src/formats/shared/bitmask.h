#pragma once
#include <array>
#include <bit>
#include <cstdint>

#include "formats/shared/host_device.h"
#include "formats/shared/minifloat.h"

namespace assay {

/// Set bits of a row's mask: bit c % 8 of byte c / 8 is column c. -1 when bits beyond the last column are set.
inline int64_t mask_population(const uint8_t* mask, int64_t cols) {
  int64_t count = 0;
  for (int64_t i = 0; i < cols / 8; ++i) count += std::popcount(mask[i]);
  if (cols % 8 == 0) return count;
  const uint8_t last = mask[cols / 8];
  return last >> cols % 8 == 0 ? count + std::popcount(last) : -1;
}

/// Puts the kept values of a row in their columns; the others are zero. Without branches, at the price of looking at
/// one value more than the row has.
ASSAY_HD inline void expand_bitmask(const uint8_t* mask, int64_t cols, const float* kept, float* out) {
  for (int64_t c = 0; c < cols; ++c) {
    const uint32_t set = mask[c / 8] >> c % 8 & 1;
    out[c] = float_of_bits(bits_of_float(*kept) & (0 - set));
    kept += set;
  }
}

/// Which two of four columns a mask of four bits keeps; equal places mean that it does not keep two.
struct TwoOfFour {
  uint8_t first, second;
};
inline constexpr std::array<TwoOfFour, 16> kTwoOfFour = [] {
  std::array<TwoOfFour, 16> places{};
  for (uint8_t first = 0; first < 4; ++first) {
    for (uint8_t second = first + 1; second < 4; ++second) places[1 << first | 1 << second] = {first, second};
  }
  return places;
}();

}  // namespace assay

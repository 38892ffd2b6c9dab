#pragma once
#include <bit>
#include <cstdint>

#include "formats/shared/host_device.h"

namespace assay {

/// Set bits of a row's mask: bit c % 8 of byte c / 8 is column c. -1 when bits beyond the last column are set.
inline int64_t mask_population(const uint8_t* mask, int64_t cols) {
  int64_t count = 0;
  for (int64_t i = 0; i < cols / 8; ++i) count += std::popcount(mask[i]);
  if (cols % 8 == 0) return count;
  const uint8_t last = mask[cols / 8];
  return last >> cols % 8 == 0 ? count + std::popcount(last) : -1;
}

/// Puts the kept values of a row in their columns; the others are zero.
ASSAY_HD inline void expand_bitmask(const uint8_t* mask, int64_t cols, const float* kept, float* out) {
  for (int64_t c = 0; c < cols; ++c) {
    const bool set = mask[c / 8] >> c % 8 & 1;
    out[c] = set ? *kept : 0;
    kept += set;
  }
}

}  // namespace assay

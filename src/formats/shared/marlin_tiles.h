#pragma once
#include <cstdint>

namespace assay::marlin {

/// Outputs that share tiles in the layouts of Marlin's kernels: 128 words of 4-bit codes for 16 columns of each.
inline constexpr int64_t kBlock = 64;

/// The word that holds quarter `part` (0 to 3) of the 16 columns of output `row` (of 64).
constexpr int64_t word_of(int64_t row, int part) {
  return 4 * (4 * (row % 8) + part) + row / 16;
}

/// nibble[e]: where element e of a word is; elements 4 to 7 belong to the output eight further on.
inline constexpr int kNibble[] = {0, 4, 1, 5, 2, 6, 3, 7};

/// The output (of 64) whose scale is stored at `place`, where each group has its own scales ..
constexpr int64_t output_of_group_scale(int64_t place) {
  return place / 8 + 8 * (place % 8);
}
/// .. and where whole rows have one.
constexpr int64_t output_of_row_scale(int64_t place) {
  constexpr int kOrder[] = {0, 1, 8, 9, 16, 17, 24, 25};
  return place / 32 * 32 + 2 * (place % 32 / 8) + kOrder[place % 8];
}

}  // namespace assay::marlin

#pragma once
#include "formats/compressed_tensors/weight.h"
#include "formats/shared/host_device.h"

namespace assay {

// 2:4 sparse integers in the tile order of the sparse Marlin kernel, as compressed-tensors before 0.15 stored them.
// C is the compressed matrix [out, in / 2] of b-bit codes (b = 4 or 8), p = 32 / b codes a word.
//
//   weight_packed  I32  [in / 32, 16 * out / p]   a row is 16 columns of C; 1024 codes are 64 rows of C by those
//   meta           I16  [in / 32, 2 * out]        for 16 columns of W: four nibbles, each saying where in four columns
//                                                 two neighbours of C go (low two bits the first, high two the second)
//   scale_packed   F16  [groups, out]             permuted within eight rows when there are several groups
//
//   W = (code - 2^(b-1)) * scale[c / group_size], 0 where nothing is kept
class Marlin24 : public compressed_tensors::Weight {
 public:
  static constexpr FormatInfo kInfo{"marlin-24", "compressed-tensors", "4, 8 + mask",
                                    "weight_packed I32 [in/32, 2*out], meta I16 [in/32, 2*out], "
                                    "scale_packed F16 [groups, out]"};
  /// Rows of W that share tiles.
  static constexpr int64_t kBlock = 64;

  static bool matches(const Module& module) {
    return module.config().method() == compressed_tensors::kMethod && module.has("scale_packed");
  }

  explicit Marlin24(const Module& module);
  void decode(int64_t begin, int64_t end, float* out) const override;
  int64_t row_alignment() const override { return kBlock; }

 private:
  struct Block;
  /// Rows [64 * number, 64 * number + 64).
  Block read_block(int64_t number) const;
  std::vector<int8_t> read_codes(int64_t number) const;
  std::vector<float> read_scales(int64_t number) const;
  void expand(const Block& block, int64_t row, float* w) const;

  int bits_ = 4;
  int64_t group_size_ = 0;
  const StoredTensor* codes_;
  const StoredTensor* meta_;
  const StoredTensor* scales_;
};

namespace marlin24 {

/// Row (of 64) and column (of 16) of C for field `field` of word `word` of a tile.
struct Place {
  int row, col;
};
template <int kBits>
ASSAY_HD constexpr Place place_of(int word, int field) {
  constexpr int kPerWord = 32 / kBits;
  constexpr int kOrder4[] = {0, 2, 4, 6, 1, 3, 5, 7}, kOrder8[] = {0, 2, 1, 3};
  const int u = kPerWord * word + (kBits == 4 ? kOrder4[field] : kOrder8[field]);
  const int a = u / 32 % 4, h = u / 32, j = u % 32 / 8, e = u % 8;
  const int cols[] = {2 * a, 2 * a + 1, 2 * a + 8, 2 * a + 9};
  return {16 * (h / 8) + 8 * (h / 4 % 2) + 4 * (e / 4) + j, cols[e % 4]};
}

/// Place of the meta word of row `row` (of 64) and 16 columns number `c` of W, in rows of 128 words.
ASSAY_HD constexpr int64_t meta_index(int row, int64_t c) {
  const int r = row % 2 * 2 + row % 8 / 4 + row % 4 / 2 * 32 + row / 8 * 4;
  const int shift = (r % 2 == 0 && c % 2 == 1) - (r % 2 == 1 && c % 2 == 0);
  return (c - shift) / 2 * 128 + 2 * (r + shift) + (c - shift) % 2;
}

}  // namespace marlin24

}  // namespace assay

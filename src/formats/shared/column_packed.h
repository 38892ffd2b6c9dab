#pragma once
#include <optional>
#include <string>
#include <vector>

#include "formats/format.h"
#include "formats/shared/scale_grid.h"

namespace assay {

// Integers packed down the columns of [in, out], as AutoGPTQ began to store them.
//
//   qweight  I32 | I16 | I8 | I64   [ceil(in * b / W), out]    codes packed along in, for each output by itself
//   qzeros   of the same type       [groups, ceil(out * b / W)]   zero points packed along out
//   scales   float                  [groups, out]
//   g_idx    I32                    [in], or absent            group of each column; absent: column / group_size
//
//   W[o][i] = (q - z[group][o]) * scale[group][o]              W: the bits of a word, by the tensors' type
//
// Two packings, which differ for 3, 5, 6, 7 bits and which only the config tells apart:
//   stream   code k at bit k * b of the column, lowest first; 3, 5, 6, 7 bits straddle words
//   planar   32 codes in b words, as planes of 1, 2, 4 or 8 bits, the low ones first: 3 = 2+1, 5 = 4+1, 6 = 4+2,
//            7 = 4+2+1; a plane of p bits fills p words
class ColumnPacked : public StoredWeight {
 public:
  /// One way in which the config may quantize the module.
  struct Scheme {
    int64_t bits = 4;
    std::optional<int64_t> group_size;  // nothing: not said; -1: the whole row
    bool shuffled = false;              // columns have groups out of order, which only g_idx tells
  };
  struct Layout {
    /// The first that fits the tensors holds: several patterns of a config may match, and their order is lost.
    std::vector<Scheme> schemes;
    bool planar = false;
    bool zeros_minus_one = false;  // z - 1 is stored
    bool odd_is_planar = false;    // 5, 6, 7 bits are planar with zero points as they are, whatever else is said
    std::string where;             // for messages
  };

  void decode(int64_t begin, int64_t end, float* out) const override;

 protected:
  ColumnPacked(const Module& module, Layout layout);

 private:
  bool planar(int64_t bits) const { return layout_.planar || (layout_.odd_is_planar && bits >= 5 && bits <= 7); }
  bool zeros_minus_one() const { return layout_.zeros_minus_one && !planar(bits_); }
  bool fits(const Scheme& scheme, int64_t outputs) const;
  [[noreturn]] void refuse_schemes() const;
  int64_t words_for(int64_t codes, int64_t bits) const;
  void read_zero_points(int64_t begin, int64_t end, ScaleGrid::Rows& scales) const;
  std::vector<int32_t> read_column_groups() const;

  Layout layout_;
  const StoredTensor* codes_;
  const StoredTensor* zeros_;
  const StoredTensor* scales_;
  const StoredTensor* group_index_ = nullptr;  // or null
  int bits_ = 0;
  int64_t word_bits_ = 32;
  int64_t group_size_ = 0;
  int64_t groups_ = 0;
};

}  // namespace assay

#pragma once
#include "formats/compressed_tensors/weight.h"
#include "formats/shared/bits.h"

namespace assay {

// Integers of 1 to 8 bits packed into 32-bit words, as compressed-tensors stores them.
//
//   weight_packed      I32    [out, width]      fields u = q + 2^(b-1), the first in the lowest bits
//   weight_scale       float  [out, groups]     or [out, 1], [1]
//   weight_zero_point  I32    [height, groups]  asymmetric only: z + 2^(b-1), packed down each column, along out;
//                      or I8  [out, groups]     signed bytes, before 2025-04
//   weight_g_idx       I32    [in]              only with activation order "group": group of each column
//   weight_shape       I64    [2]               out, in
//
//   W = (q - z) * scale[group]
//
// Two packings, which differ for 3, 5, 6, 7 bits and which only the width tells apart:
//   stream (0.17 and later):  width ceil(in * b / 32)          |0:2|1:2|2:2|...|10:2 straddles two words|
//   words  (before):          width ceil(in / floor(32 / b))   |0|1|...|9|--|  top bits unused
// The tool's current decompressor reads files of the older kind as if they were streams, and returns noise.
class PackQuantized : public compressed_tensors::Weight {
 public:
  static constexpr FormatInfo kInfo{"pack-quantized", "compressed-tensors", "1-8",
                                    "weight_packed I32 [out, width], weight_scale float, weight_zero_point I32, "
                                    "weight_g_idx I32 [in], weight_shape I64 [2]"};

  static bool matches(const Module& module) {
    return compressed_tensors::stores(module, "weight_packed", {DType::I32});
  }

  explicit PackQuantized(const Module& module);
  void decode(int64_t begin, int64_t end, float* out) const override;

 private:
  void find_packing(int64_t cols);
  void find_zero_points();
  void read_packed_zero_points(ScaleGrid::Rows& scales) const;
  std::vector<int32_t> read_column_groups() const;

  int bits_ = 0;
  bool stream_ = true;
  const StoredTensor* codes_;
  const StoredTensor* zeros_ = nullptr;   // or null
  const StoredTensor* groups_ = nullptr;  // g_idx, or null
  ScaleGrid scales_;
};

}  // namespace assay

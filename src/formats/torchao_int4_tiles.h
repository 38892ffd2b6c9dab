#pragma once
#include "formats/torchao/weight.h"

namespace assay {

// Int4TilePackedTo4dTensor of torchao: 4-bit integers in the order of the tensor cores that tinygemm feeds. T is the
// number of tiles of 16 columns that lie together, 8 as a rule.
//
//   _weight_qdata           I32   [ceil(out / 8), in' / 16T, 32, T / 2]   word j of lane 4r + l of tile (n, k):
//                                                                         row 8n + r, columns 16Tk + 32j + c
//   _weight_scale_and_zero  BF16  [in' / g, out', 2]                      in' and out' are padded sizes
//   _weight_act_pre_scale   float [in]                                    of the input; may be absent
//   "shape" of the metadata is [out, in], "block_size" is [1, g]
//
//   nibble of a word, the lowest first:  0       1       2       3       4       5       6       7
//                            column c:  2l    2l+8   2l+16   2l+24    2l+1    2l+9   2l+17   2l+25
//
//   W = (q - 8) * scale + zero [* act_pre_scale[column]], the product rounded before the sum
//
// Source: pytorch, aten/src/ATen/native/cuda/int4mm.cu (of NVIDIA's cards; AMD's have tiles of 16 rows, which files do
// not tell apart).
class TorchaoInt4Tiles : public torchao::Weight {
 public:
  static constexpr FormatInfo kInfo{
      "Int4TilePackedTo4dTensor", "torchao", "4",
      "_weight_qdata I32 [out/8, in/16T, 32, T/2], _weight_scale_and_zero [in/g, out, 2]"};

  static bool matches(const Module& module) { return torchao::is_type(module, "Int4TilePackedTo4dTensor"); }

  explicit TorchaoInt4Tiles(const Module& module);
  void decode(int64_t begin, int64_t end, float* out) const override;
  int64_t row_alignment() const override { return kTileRows; }

 private:
  static constexpr int64_t kTileRows = 8;

  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const override;
  /// Codes of row `row` of a tile, less 8.
  void unpack(const uint32_t* tile, int64_t row, float* w) const;

  const StoredTensor* scales_and_zeros_;
  int64_t group_size_ = 0;
  int64_t words_ = 0;  // T / 2
  int64_t padded_cols_ = 0;
};

}  // namespace assay

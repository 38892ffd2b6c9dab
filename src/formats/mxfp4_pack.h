#pragma once
#include "formats/compressed_tensors/weight.h"
#include "formats/shared/reading.h"
#include "formats/shared/unpack.h"

namespace assay {

// MXFP4 as compressed-tensors stores it: E2M1 codes, a power of two for 32 columns.
//
//   weight_packed  U8            [out, in / 2]    column 2k in the low nibble, 2k + 1 in the high one
//   weight_scale   U8 | F8_E8M0  [out, in / 32]   E8M0
//
//   W = e2m1(code) * 2^(scale - 127)
//
// A scale byte of 255 is NaN by the standard (the tool computes infinity with it) and refused.
class Mxfp4Pack : public compressed_tensors::Weight {
 public:
  static constexpr FormatInfo kInfo{"mxfp4-pack-quantized", "compressed-tensors", "4",
                                    "weight_packed U8 [out, in/2], weight_scale U8 [out, in/32]"};
  static constexpr int kGroup = 32;

  static bool matches(const Module& module) { return compressed_tensors::stores(module, "weight_packed", {DType::U8}); }

  explicit Mxfp4Pack(const Module& module) : Weight(module) {
    codes_ = &module.expect("weight_packed", {DType::U8}, {-1, -1});
    require_config(true, 4, kGroup);
    init(codes_->shape[0], codes_->shape[1] * 2, kInfo.name);
    const StoredTensor& scale = module.expect("weight_scale", {DType::U8, DType::F8_E8M0}, {rows_, -1});
    scales_ = ScaleGrid(module, scale, DType::F8_E8M0, rows_, cols_, 1, kGroup);
  }

  void decode(int64_t begin, int64_t end, float* out) const override {
    const ScaleGrid::Rows scales = scales_.read(module_, begin, end);
    for_rows(module_.checkpoint(), *codes_, cols_ / 2, begin, end, [&](int64_t row, const uint8_t* codes) {
      float* w = out + (row - begin) * cols_;
      unpack_e2m1(codes, cols_, w);
      scales.apply(row, w);
    });
  }

 private:
  const StoredTensor* codes_;
  ScaleGrid scales_;
};

}  // namespace assay

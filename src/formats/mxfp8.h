#pragma once
#include "formats/compressed_tensors/weight.h"
#include "formats/shared/reading.h"
#include "formats/shared/unpack.h"

namespace assay {

// MXFP8 as compressed-tensors stores it: E4M3 codes, a power of two for 32 columns.
//
//   weight        F8_E4M3       [out, in]
//   weight_scale  U8 | F8_E8M0  [out, in / 32]   E8M0
//
//   W = e4m3(code) * 2^(scale - 127)
class Mxfp8 : public compressed_tensors::Weight {
 public:
  static constexpr FormatInfo kInfo{"mxfp8-quantized", "compressed-tensors", "8",
                                    "weight F8_E4M3 [out, in], weight_scale U8 [out, in/32]"};
  static constexpr int kGroup = 32;

  static bool matches(const Module& module) {
    return compressed_tensors::stores(module, "weight", {DType::F8_E4M3}) &&
           compressed_tensors::stores(module, "weight_scale", {DType::U8, DType::F8_E8M0});
  }

  explicit Mxfp8(const Module& module) : Weight(module) {
    codes_ = &module.expect("weight", {DType::F8_E4M3}, {-1, -1});
    require_config(true, 8, kGroup);
    init(codes_->shape[0], codes_->shape[1], kInfo.name);
    const StoredTensor& scale = module.expect("weight_scale", {DType::U8, DType::F8_E8M0}, {rows_, -1});
    scales_ = ScaleGrid(module, scale, DType::F8_E8M0, rows_, cols_, 1, kGroup);
  }

  void decode(int64_t begin, int64_t end, float* out) const override {
    const ScaleGrid::Rows scales = scales_.read(module_, begin, end);
    for_rows(module_.checkpoint(), *codes_, cols_, begin, end, [&](int64_t row, const uint8_t* codes) {
      float* w = out + (row - begin) * cols_;
      unpack_e4m3(codes, cols_, w);
      scales.apply(row, w);
    });
  }

 private:
  const StoredTensor* codes_;
  ScaleGrid scales_;
};

}  // namespace assay

#pragma once
#include "formats/compressed_tensors/weight.h"
#include "formats/shared/reading.h"
#include "formats/shared/unpack.h"

namespace assay {

// FP8 as compressed-tensors stores it ("float-quantized", or "naive-quantized" where only weights are quantized).
//
//   weight             F8_E4M3  [out, in]
//   weight_scale       float    [1] | [out, 1] | [out, in / g] | [ceil(out / r), ceil(in / c)]
//   weight_zero_point  F8_E4M3  as weight_scale; asymmetric schemes only, which hardly anybody makes
//
//   W = (e4m3(code) - zero) * scale
//
// The strategy of the config says which of the shapes it is; the last blocks of a block grid may be partial.
class FloatQuantized : public compressed_tensors::Weight {
 public:
  static constexpr FormatInfo kInfo{"float-quantized", "compressed-tensors", "8",
                                    "weight F8_E4M3 [out, in], weight_scale float [1] | [out, 1] | blocks"};

  static bool matches(const Module& module) { return compressed_tensors::stores(module, "weight", {DType::F8_E4M3}); }

  explicit FloatQuantized(const Module& module) : Weight(module) {
    codes_ = &module.expect("weight", {DType::F8_E4M3}, {-1, -1});
    require_config(true, 8);
    init(codes_->shape[0], codes_->shape[1], kInfo.name);
    scales_ = float_scale_grid();
    if (args() && !args()->symmetric) zeros_ = byte_zero_points(scales_, DType::F8_E4M3);
  }

  void decode(int64_t begin, int64_t end, float* out) const override {
    ScaleGrid::Rows scales = scales_.read(module_, begin, end);
    if (zeros_) read_byte_zero_points(*zeros_, scales);
    for_rows(module_.checkpoint(), *codes_, cols_, begin, end, [&](int64_t row, const uint8_t* codes) {
      float* w = out + (row - begin) * cols_;
      unpack_e4m3(codes, cols_, w);
      scales.apply(row, w);
    });
  }

 private:
  const StoredTensor* codes_;
  const StoredTensor* zeros_ = nullptr;  // or null
  ScaleGrid scales_;
};

}  // namespace assay

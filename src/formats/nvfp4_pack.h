#pragma once
#include "formats/compressed_tensors/weight.h"
#include "formats/shared/reading.h"
#include "formats/shared/unpack.h"

namespace assay {

// NVFP4 as compressed-tensors stores it: E2M1 codes, an E4M3 scale for 16 columns, a float32 scale for the matrix.
//
//   weight_packed        U8      [out, in / 2]   column 2k in the low nibble, 2k + 1 in the high one
//   weight_scale         F8_E4M3 [out, in / 16]
//   weight_global_scale  F32     [1]             a divisor, about 448 * 6 / amax; not where the strategy is "group"
//
//   W = e2m1(code) * (scale / global), in float32, the quotient first.
//
// The sign of zero (code 8) is stored and kept. Layers that a runtime fuses (q, k, v; gate, up) share one global scale;
// each module's own counts here.
class Nvfp4Pack : public compressed_tensors::Weight {
 public:
  static constexpr FormatInfo kInfo{"nvfp4-pack-quantized", "compressed-tensors", "4",
                                    "weight_packed U8 [out, in/2], weight_scale F8_E4M3 [out, in/16], "
                                    "weight_global_scale F32 [1]"};
  static constexpr int kGroup = 16;

  static bool matches(const Module& module) {
    return compressed_tensors::stores(module, "weight_packed", {DType::U8}) &&
           (module.has("weight_global_scale") || compressed_tensors::stores(module, "weight_scale", {DType::F8_E4M3}));
  }

  explicit Nvfp4Pack(const Module& module) : Weight(module) {
    codes_ = &module.expect("weight_packed", {DType::U8}, {-1, -1});
    require_config(true, 4, kGroup);
    init(codes_->shape[0], codes_->shape[1] * 2, kInfo.name);
    const StoredTensor& scale = module.expect("weight_scale", {DType::F8_E4M3}, {rows_, -1});
    scales_ = ScaleGrid(module, scale, DType::F8_E4M3, rows_, cols_, 1, kGroup);
    const bool one_level = args() && args()->strategy == compressed_tensors::QuantArgs::Strategy::group;
    if (!one_level || module.has("weight_global_scale")) global_ = &global_scale();
  }

  void decode(int64_t begin, int64_t end, float* out) const override {
    ScaleGrid::Rows scales = scales_.read(module_, begin, end);
    if (global_) divide_by_global(*global_, scales);
    for_rows(module_.checkpoint(), *codes_, cols_ / 2, begin, end, [&](int64_t row, const uint8_t* codes) {
      float* w = out + (row - begin) * cols_;
      unpack_e2m1(codes, cols_, w);
      scales.apply(row, w);
    });
  }

 private:
  const StoredTensor* codes_;
  const StoredTensor* global_ = nullptr;  // or null
  ScaleGrid scales_;
};

}  // namespace assay

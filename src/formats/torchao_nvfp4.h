#pragma once
#include "formats/torchao/weight.h"

namespace assay {

// NVFP4Tensor of torchao.
//
//   _weight_qdata             U8       [out, in / 2]   E2M1, column 2k in the low nibble, 2k + 1 in the high one
//   _weight_scale             F8_E4M3  [out, in / 16], or swizzled (`is_swizzled_scales`): tiles of 128 rows x 4
//                                      columns, padded; entry (r, c) of one at (r % 32) * 16 + (r / 32) * 4 + c
//   _weight_per_tensor_scale  F32      []              may be absent; multiplies
//
//   W = e2m1(code) * (scale * per_tensor_scale), the product of the scales first
//
// Inputs: see torchao/inputs.h.
class TorchaoNvfp4 : public torchao::Weight {
 public:
  static constexpr FormatInfo kInfo{
      "NVFP4Tensor", "torchao", "4",
      "_weight_qdata U8 [out, in/2], _weight_scale F8_E4M3, _weight_per_tensor_scale F32"};

  static bool matches(const Module& module) { return torchao::is_type(module, "NVFP4Tensor"); }

  explicit TorchaoNvfp4(const Module& module) : Weight(module), global_(find_part("per_tensor_scale")) {
    set_codes(module.expect("_weight_qdata", {DType::U8}, {-1, -1}), row_codes::e2m1());
    set_row_scales(DType::F8_E4M3);
    finish();
  }

 private:
  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const override {
    ScaleGrid::Rows scales = Weight::read_scales(begin, end);
    if (global_) multiply_scales(module_, *global_, scales);
    return scales;
  }

  const StoredTensor* global_;  // or null
};

}  // namespace assay

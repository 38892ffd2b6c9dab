#pragma once
#include "formats/torchao/weight.h"

namespace assay {

// Float8Tensor of torchao.
//
//   _weight_qdata  F8_E4M3 | F8_E5M2  [out, in]
//   _weight_scale  F32                [out / R, in / C]   `block_size` [R, C] of the metadata
//
//   W = code * scale
//
// Inputs: see torchao/inputs.h.
class TorchaoFloat8 : public torchao::Weight {
 public:
  static constexpr FormatInfo kInfo{"Float8Tensor", "torchao", "8",
                                    "_weight_qdata F8_E4M3 | F8_E5M2 [out, in], _weight_scale F32"};

  static bool matches(const Module& module) { return torchao::is_type(module, "Float8Tensor"); }

  explicit TorchaoFloat8(const Module& module) : Weight(module) {
    const StoredTensor& codes = module.expect("_weight_qdata", {DType::F8_E4M3, DType::F8_E5M2}, {-1, -1});
    set_codes(codes, codes.dtype == DType::F8_E4M3 ? row_codes::e4m3() : row_codes::e5m2());
    const auto [rows, cols] = block_size();
    set_float_scales(part("scale"), rows, cols);
    finish();
  }
};

}  // namespace assay

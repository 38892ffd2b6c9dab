#pragma once
#include "formats/torchao/weight.h"

namespace assay {

// Float8Tensor of torchao.
//
//   _weight_qdata  F8_E4M3  [out, in]
//   _weight_scale  F32      [out / R, in / C]   `block_size` [R, C] of the metadata
//
//   W = e4m3(code) * scale
//
// Quantized inputs of this type are not emulated.
class TorchaoFloat8 : public torchao::Weight {
 public:
  static constexpr FormatInfo kInfo{"Float8Tensor", "torchao", "8",
                                    "_weight_qdata F8_E4M3 [out, in], _weight_scale F32"};

  static bool matches(const Module& module) { return torchao::is_type(module, "Float8Tensor"); }

  explicit TorchaoFloat8(const Module& module) : Weight(module) {
    set_codes(module.expect("_weight_qdata", {DType::F8_E4M3}, {-1, -1}), row_codes::e4m3());
    const auto [rows, cols] = block_size();
    set_float_scales(part("scale"), rows, cols);
    require_plain_inputs();
  }
};

}  // namespace assay

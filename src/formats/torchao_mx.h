#pragma once
#include "formats/torchao/weight.h"

namespace assay {

// MXTensor of torchao.
//
//   _weight_qdata  F8_E4M3 | F8_E5M2  [out, in]      or U8 [out, in / 2]: E2M1, column 2k in the low nibble;
//                                                    or U8 [out, in]: E2M3, E3M2, a byte each (`elem_dtype`)
//   _weight_scale  F8_E8M0            [out, in / 32], or swizzled as in torchao_nvfp4.h
//
//   W = code * 2^(scale - 127)
//
// Inputs: see torchao/inputs.h.
class TorchaoMx : public torchao::Weight {
 public:
  static constexpr FormatInfo kInfo{"MXTensor", "torchao", "4, 6, 8",
                                    "_weight_qdata F8 | U8 [out, in] | U8 [out, in/2], _weight_scale F8_E8M0"};

  static bool matches(const Module& module) { return torchao::is_type(module, "MXTensor"); }

  explicit TorchaoMx(const Module& module);
};

}  // namespace assay

#pragma once
#include "formats/torchao/weight.h"

namespace assay {

// MXTensor of torchao.
//
//   _weight_qdata  F8_E4M3 | F8_E5M2  [out, in]      or U8 [out, in / 2]: E2M1, column 2k in the low nibble
//   _weight_scale  F8_E8M0            [out, in / 32], or swizzled as in torchao_nvfp4.h
//
//   W = code * 2^(scale - 127)
//
// Inputs, where the metadata asks for it (scaling_mode RCEIL), for 32 columns: e = ceil(log2(amax / largest code)),
// x^ = code(x / 2^e) * 2^e.
class TorchaoMx : public torchao::Weight {
 public:
  static constexpr FormatInfo kInfo{"MXTensor", "torchao", "4, 8",
                                    "_weight_qdata F8_E4M3 [out, in] | U8 [out, in/2], _weight_scale F8_E8M0"};

  static bool matches(const Module& module) { return torchao::is_type(module, "MXTensor"); }

  explicit TorchaoMx(const Module& module);

 private:
  void set_input_quant();
};

}  // namespace assay

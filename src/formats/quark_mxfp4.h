#pragma once
#include "formats/quark/config.h"

namespace assay {

// MXFP4 as AMD Quark exports it.
//
//   weight        U8            [out, in / 2]    E2M1, column 2k in the low nibble, 2k + 1 in the high one
//   weight_scale  U8 | F8_E8M0  [out, in / 32]
//
//   W = e2m1(code) * 2^(scale - 127)
//
// The older dtype "mx" puts each scale before its codes in one tensor and is not read.
class QuarkMxfp4 : public quark::Weight {
 public:
  static constexpr FormatInfo kInfo{"mxfp4", "quark", "4", "weight U8 [out, in/2], weight_scale U8 [out, in/32]"};
  static constexpr int kGroup = 32;

  static bool matches(const Module& module) { return quark::stores(module, {DType::U8}, {DType::U8, DType::F8_E8M0}); }

  explicit QuarkMxfp4(const Module& module) : Weight(module, kInfo.name) {
    require_dtype({"fp4"});
    set_codes(module.expect("weight", {DType::U8}, {-1, -1}), row_codes::e2m1());
    set_scales(module.at("weight_scale"), DType::F8_E8M0, 1, kGroup);
    finish();
  }
};

}  // namespace assay

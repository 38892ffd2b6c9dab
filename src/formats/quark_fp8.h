#pragma once
#include "formats/quark/config.h"

namespace assay {

// FP8 as AMD Quark exports it.
//
//   weight        F8_E4M3  [out, in]
//   weight_scale  float    [] or [1] (per_tensor), [out] (per_channel), in the type of the model or F32
//   input_scale   float    []
//
//   W = e4m3(code) * scale
//
// Inputs, where the config quantizes them: x^ = e4m3(clamp(x / input_scale)) * input_scale, or for each token
// s = amax / 448.
class QuarkFp8 : public quark::Weight {
 public:
  static constexpr FormatInfo kInfo{"fp8", "quark", "8", "weight F8_E4M3 [out, in], weight_scale float [] | [out]"};

  static bool matches(const Module& module) {
    return quark::stores(module, {DType::F8_E4M3}, {DType::F32, DType::BF16, DType::F16});
  }

  explicit QuarkFp8(const Module& module) : Weight(module, kInfo.name) {
    const quark::TensorScheme& scheme = require_dtype({"fp8_e4m3"});
    set_codes(module.expect("weight", {DType::F8_E4M3}, {-1, -1}), row_codes::e4m3());
    const bool per_row = scheme.qscheme == "per_channel";
    if (!per_row && scheme.qscheme != "per_tensor") {
      module.refuse(scheme.where + ": known for FP8 weights are per_tensor and per_channel");
    }
    set_float_scales(module.at("weight_scale"), per_row ? 1 : rows_, cols_);
    finish();
  }
};

}  // namespace assay

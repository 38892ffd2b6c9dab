#pragma once
#include "formats/modelopt/config.h"

namespace assay {

// FP8 as NVIDIA ModelOpt exports it.
//
//   weight        F8_E4M3  [out, in]
//   weight_scale  F32      FP8: [];  FP8_PER_CHANNEL_PER_TOKEN: [out];  FP8_PB_WO: [ceil(out / 128), ceil(in / 128)],
//                          possibly with dimensions of 1 between
//   input_scale   F32      []  FP8
//
//   W = e4m3(code) * scale
//
// Inputs: FP8: x^ = e4m3(clamp(x / input_scale)) * input_scale; per token: s = amax / 448; FP8_PB_WO: none.
class ModeloptFp8 : public modelopt::Weight {
 public:
  static constexpr FormatInfo kInfo{"fp8", "modelopt", "8",
                                    "weight F8_E4M3 [out, in], weight_scale F32 [] | [out] | blocks of 128 x 128"};

  static bool matches(const Module& module) {
    return modelopt::stores(module, DType::F8_E4M3, {DType::F32, DType::BF16, DType::F16});
  }

  explicit ModeloptFp8(const Module& module);
};

}  // namespace assay

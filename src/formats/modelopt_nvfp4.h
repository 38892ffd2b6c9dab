#pragma once
#include "formats/modelopt/config.h"

namespace assay {

// NVFP4 as NVIDIA ModelOpt exports it (NVFP4, NVFP4_AWQ, W4A16_NVFP4).
//
//   weight           U8       [out, in / 2]   column 2k in the low nibble, 2k + 1 in the high one
//   weight_scale     F8_E4M3  [out, in / 16]
//   weight_scale_2   F32      []              multiplies: the reciprocal of the global scale of compressed-tensors
//   input_scale      F32      []              not for W4A16
//   pre_quant_scale  float    [in]            NVFP4_AWQ, where no norm could take it in
//
//   W = e2m1(code) * (scale * scale_2) [* pre_quant_scale[column]], the product of the scales first
//
// Inputs, for 16 columns: b = e4m3(amax / (6 * input_scale)), x^ = e2m1(x / (b * input_scale)) * b * input_scale; of
// x * pre_quant_scale.
class ModeloptNvfp4 : public modelopt::Weight {
 public:
  static constexpr FormatInfo kInfo{"nvfp4", "modelopt", "4",
                                    "weight U8 [out, in/2], weight_scale F8_E4M3 [out, in/16], weight_scale_2 F32 []"};
  static constexpr int kGroup = 16;

  static bool matches(const Module& module) { return modelopt::stores(module, DType::U8, {DType::F8_E4M3}); }

  explicit ModeloptNvfp4(const Module& module);

 private:
  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const override;

  const StoredTensor* global_;
};

}  // namespace assay

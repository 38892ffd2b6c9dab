#pragma once
#include "formats/modelopt/config.h"

namespace assay {

// INT4 as NVIDIA ModelOpt exports it (W4A16_AWQ, W4A8_AWQ): two rows share a byte.
//
//   weight           U8     [out / 2, in]   byte (r, c): row 2r in the low nibble, 2r + 1 in the high one, both of
//                                           two's complement
//   weight_scale     F32    [out, in / g]   g = 128 as a rule; the shape says
//   weight_scale_2   F32    []              W4A8_AWQ: multiplies
//   input_scale      F32    []              W4A8_AWQ: static E4M3 inputs
//   pre_quant_scale  float  [in]            where no norm could take it in: of o_proj and down_proj
//
//   W = q * scale [* scale_2] [* pre_quant_scale[column]]
class ModeloptInt4 : public modelopt::Weight {
 public:
  static constexpr FormatInfo kInfo{"int4-awq", "modelopt", "4", "weight U8 [out/2, in], weight_scale F32 [out, in/g]"};

  static bool matches(const Module& module) {
    return modelopt::stores(module, DType::U8, {DType::F32, DType::BF16, DType::F16});
  }

  explicit ModeloptInt4(const Module& module);
  void decode(int64_t begin, int64_t end, float* out) const override;
  int64_t row_alignment() const override { return 2; }

 private:
  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const override;

  const StoredTensor* global_ = nullptr;  // or null
};

}  // namespace assay

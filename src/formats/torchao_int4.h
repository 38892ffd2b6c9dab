#pragma once
#include "formats/torchao/weight.h"

namespace assay {

// Int4Tensor of torchao ("plain" packing).
//
//   _weight_qdata       I8     [out, in / 2]   column 2k in the low nibble, 2k + 1 in the high one, two's complement
//   _weight_scale       float  [in / g, out]   `block_size` [1, g] of the metadata
//   _weight_zero_point  float  [in / g, out]   an offset, added
//   _weight_act_pre_scale  float  [in]         of the input; may be absent
//
//   W = q * scale + zero_point [* act_pre_scale[column]], the product rounded before the sum
class TorchaoInt4 : public torchao::Weight {
 public:
  static constexpr FormatInfo kInfo{"Int4Tensor", "torchao", "4",
                                    "_weight_qdata I8 [out, in/2], _weight_scale [in/g, out], _weight_zero_point"};

  static bool matches(const Module& module) { return torchao::is_type(module, "Int4Tensor"); }

  explicit TorchaoInt4(const Module& module);

 private:
  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const override;
  void apply_scales(const ScaleGrid::Rows& scales, int64_t row, float* w) const override;

  const StoredTensor* scale_;
  const StoredTensor* zeros_;
  int64_t group_size_ = 0;
};

}  // namespace assay

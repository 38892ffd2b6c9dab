#pragma once
#include "formats/torchao/weight.h"

namespace assay {

// Integers of torchao, one a byte: Int8Tensor, and IntxUnpackedToInt8Tensor for fewer bits.
//
//   _weight_qdata       I8     [out, in]
//   _weight_scale       float  [out / R, in / C]     `block_size` [R, C] of the metadata; [1, in]: one a row
//   _weight_zero_point  I8     as _weight_scale; a float of Intx tensors that were trained
//   _weight_act_pre_scale  float  [in]               of the input; may be absent
//
//   W = (q - z) * scale [* act_pre_scale[column]]
//
// Inputs: see torchao/inputs.h.
class TorchaoInt8 : public torchao::Weight {
 public:
  static constexpr FormatInfo kInfo{"Int8Tensor, IntxUnpackedToInt8Tensor", "torchao", "8",
                                    "_weight_qdata I8 [out, in], _weight_scale, _weight_zero_point I8"};

  static bool matches(const Module& module) {
    return torchao::is_type(module, "Int8Tensor") || torchao::is_type(module, "IntxUnpackedToInt8Tensor");
  }

  explicit TorchaoInt8(const Module& module);

 private:
  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const override;

  const StoredTensor* zeros_ = nullptr;  // or null
};

}  // namespace assay

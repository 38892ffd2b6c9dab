#pragma once
#include "formats/torchao/weight.h"

namespace assay {

// Integers of torchao, one a byte: Int8Tensor, and IntxUnpackedToInt8Tensor for fewer bits.
//
//   _weight_qdata       I8     [out, in]
//   _weight_scale       float  [out / R, in / C]     `block_size` [R, C] of the metadata; [1, in]: one a row
//   _weight_zero_point  I8     as _weight_scale
//
//   W = (q - z) * scale
//
// Inputs, for each token, where the metadata asks for it:
//   act_quant_kwargs (symmetric, PerRow):  s = max(amax / 127.5, 2^-23), x^ = clamp(round(x * (1 / s))) * s
//   int8_asym_per_token:  s = max(spread / 255, 2^-23), z = clamp(-128 - round(min / s)),
//                         x^ = (clamp(round(x * (1 / s)) + z) - z) * s
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
  void set_input_quant();

  const StoredTensor* zeros_ = nullptr;  // or null
};

}  // namespace assay

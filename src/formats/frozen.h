#pragma once
#include "formats/compressed_tensors/weight.h"
#include "formats/shared/reading.h"

namespace assay {

// A float weight beside its quantization parameters: compressed-tensors with `quantization_status: frozen` and `format:
// dense`, saved before compression. The stored weight is not quantized yet; the model it stands for is.
//
//   weight               BF16 | F16 | F32   [out, in]
//   weight_scale         float              [1] | [out, 1] | [out, in / g] | blocks (NVFP4: F8_E4M3 as well)
//   weight_zero_point    I8                 as weight_scale; all 0 for symmetric schemes
//   weight_global_scale  F32 [1]            NVFP4
//
//   W = (round(clamp(w / s + z)) - z) * s   in float32, to the nearest even; s = scale, or scale / global
class Frozen : public compressed_tensors::Weight {
 public:
  static constexpr FormatInfo kInfo{"frozen", "compressed-tensors", "16-32",
                                    "weight BF16 [out, in], weight_scale, weight_zero_point; quantized on reading"};

  static bool matches(const Module& module) {
    return compressed_tensors::stores(module, "weight", {DType::BF16, DType::F16, DType::F32}) &&
           module.has("weight_scale");
  }

  explicit Frozen(const Module& module);
  void decode(int64_t begin, int64_t end, float* out) const override;

 private:
  ActivationQuant::Element element_ = ActivationQuant::Element::none;
  const StoredTensor* weight_;
  const StoredTensor* zeros_ = nullptr;   // or null
  const StoredTensor* global_ = nullptr;  // or null
  ScaleGrid scales_;
};

}  // namespace assay

#pragma once
#include "formats/fp8/config.h"
#include "formats/shared/coded_weight.h"

namespace assay {

// FP8 under one scale for the matrix: `quant_method: "fp8"` without `weight_block_size`.
//
//   weight        F8_E4M3  [out, in]
//   weight_scale  float    [] | [1] | [1, 1]   transformers calls it weight_scale_inv; it multiplies all the same
//   input_scale   float    [] | [1]            `activation_scheme: "static"`; transformers: activation_scale
//
//   W = e4m3(code) * scale
//
// Inputs: static: x^ = e4m3(clamp(x / input_scale)) * input_scale; dynamic: for each token
// s = max(amax / 448, 1 / (448 * 512)).
class Fp8Tensor : public CodedWeight {
 public:
  static constexpr FormatInfo kInfo{"tensor", "fp8", "8",
                                    "weight F8_E4M3 [out, in], weight_scale float [], input_scale float []"};

  static bool matches(const Module& module) { return fp8::stores_e4m3(module) && module.has("weight"); }

  explicit Fp8Tensor(const Module& module) : CodedWeight(module, "fp8/tensor") {
    set_codes(module.expect("weight", {DType::F8_E4M3}, {-1, -1}), row_codes::e4m3());
    const StoredTensor* scale = module.find("weight_scale_inv");
    set_float_scales(scale ? *scale : module.at("weight_scale"), rows_, cols_);
    parts_ = fp8::parts_of(module);
    if (module.kind() == Module::Kind::embedding) return;
    if (module.config().parsed<fp8::Config>().is_static) {
      const StoredTensor* input = module.find("activation_scale");
      input_quant_ = static_e4m3(module, input ? *input : module.at("input_scale"));
      return;
    }
    input_quant_.element = ActivationQuant::Element::e4m3;
    input_quant_.least_amax = 1.0f / 512;
  }
};

}  // namespace assay

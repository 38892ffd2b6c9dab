#pragma once
#include "base/error.h"
#include "base/json.h"
#include "formats/shared/coded_weight.h"
#include "formats/shared/parts.h"

namespace assay {

// FP8 under one scale for each output row, as FBGEMM multiplies it.
//
//   weight        F8_E4M3  [out, in]
//   weight_scale  F32      [out, 1]
//   bias          float    [out]
//
//   W = e4m3(code) * scale[row]
//
// Inputs, for each token: s = max(min(amax, activation_scale_ub) / 448, 1 / (448 * 512)); values beyond are clamped.
// Stacked experts of Llama 4 are stored [in, out] in this method and are not read.
class FbgemmFp8 : public CodedWeight {
 public:
  static constexpr FormatInfo kInfo{"rowwise", "fbgemm_fp8", "8",
                                    "weight F8_E4M3 [out, in], weight_scale F32 [out, 1]"};

  static bool matches(const Module& module) {
    const StoredTensor* weight = module.find("weight");
    return module.config().method() == kInfo.family && weight && weight->dtype == DType::F8_E4M3;
  }

  explicit FbgemmFp8(const Module& module) : CodedWeight(module, "fbgemm_fp8/rowwise") {
    set_codes(module.expect("weight", {DType::F8_E4M3}, {-1, -1}), row_codes::e4m3());
    set_float_scales(module.at("weight_scale"), 1, cols_);
    parts_ = parts_of(module, kRoles);
    if (module.kind() == Module::Kind::embedding) return;
    input_quant_.element = ActivationQuant::Element::e4m3;
    input_quant_.least_amax = 1.0f / 512;
    input_quant_.most_amax = module.config().parsed<Config>().upper_bound;
  }

 private:
  static constexpr NamedRole kRoles[] = {
      {"weight", Role::codes},
      {"weight_scale", Role::scales},
      {"input_scale_ub", Role::activation_scales},
      {"bias", Role::bias},
  };

  struct Config {
    float upper_bound;

    explicit Config(const QuantConfig& config) {
      const JsonObject json(config.json(), config.where());
      upper_bound = static_cast<float>(json.number_or("activation_scale_ub", 1200));
      if (!(upper_bound > 0)) json.refuse("activation_scale_ub", "a positive number");
    }
  };
};

}  // namespace assay

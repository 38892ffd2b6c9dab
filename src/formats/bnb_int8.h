#pragma once
#include "formats/format.h"

namespace assay {

// LLM.int8() of bitsandbytes: a byte for each weight, the largest magnitude of each row.
//
//   weight         I8   [out, in]
//   SCB            F32  [out]      max |W| of the row
//   weight_format  U8   []         0: row-major; 1, 2, 3: tiles of old GPU kernels, in files before 2023; may be absent
//
//   W = q * (SCB / 127)
//
// Inputs are quantized too, except for outlier columns: see ActivationQuant::Scope::call. The tool multiplies by a
// constant that is 2e-5 off 1/127.
class BnbInt8 : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"int8", "bitsandbytes", "8",
                                    "weight I8 [out, in], SCB F32 [out], weight_format U8"};

  static bool matches(const Module& module) {
    const StoredTensor* weight = module.find("weight");
    return weight && weight->dtype == DType::I8 && (module.has("SCB") || module.config().method() == "bitsandbytes");
  }

  explicit BnbInt8(const Module& module);
  std::string format() const override { return "bitsandbytes/int8"; }
  void decode(int64_t begin, int64_t end, float* out) const override;

 private:
  const StoredTensor* codes_;
  const StoredTensor* row_largest_;
};

}  // namespace assay

#pragma once
#include "formats/quanto/config.h"
#include "formats/shared/coded_weight.h"

namespace assay {

// The 8-bit types of optimum-quanto: qint8, qfloat8 (the same as qfloat8_e4m3fn), qfloat8_e5m2.
//
//   weight._data   I8 | F8_E4M3 | F8_E5M2  [out, in]
//   weight._scale  float                   [out, 1]
//
//   W = code * scale        in float32; the library computes in the type of the scale
class QuantoBytes : public CodedWeight {
 public:
  static constexpr FormatInfo kInfo{"qint8, qfloat8", "quanto", "8",
                                    "weight._data I8 | F8 [out, in], weight._scale float [out, 1]"};

  static bool matches(const Module& module) {
    return module.config().method() == quanto::kMethod && module.has("weight._data");
  }

  explicit QuantoBytes(const Module& module);
};

}  // namespace assay

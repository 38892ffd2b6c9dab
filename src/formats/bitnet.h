#pragma once
#include "formats/format.h"
#include "formats/shared/chunked_codes.h"

namespace assay {

// BitNet: ternary weights, four to a byte.
//
//   weight        U8    [out / 4, in]   byte row r: weight rows r, r + out/4, r + 2 out/4, r + 3 out/4 in bits 1:0,
//                                       3:2, 5:4, 7:6
//   weight_scale  BF16  [1]
//
//   t = code - 1 in -1, 0, 1
//   W = t / weight_scale     `linear_class: "bitlinear"`, also where none is named
//   W = t * weight_scale     `linear_class: "autobitlinear"`, `quantization_mode: "offline"`
//
// Inputs, for each token: s = 127 / max(amax, 1e-5), x^ = clamp(round(x s), -128, 127) / s.
// "online" checkpoints hold plain weights that are made ternary at run time; they and layers with a norm of their own
// ("rms_norm.weight") are not read.
class Bitnet : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"ternary", "bitnet", "2", "weight U8 [out/4, in], weight_scale BF16 [1]"};

  /// Claims what an online checkpoint makes ternary, to refuse it.
  static bool matches(const Module& module);

  explicit Bitnet(const Module& module);
  std::string format() const override { return "bitnet/ternary"; }
  void decode(int64_t begin, int64_t end, float* out) const override;

 private:
  ChunkedCodes codes_;
  const StoredTensor* scale_;
  bool divides_ = true;
};

}  // namespace assay

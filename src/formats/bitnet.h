#pragma once
#include <mutex>

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
// Layers with a norm of their own ("rms_norm.weight") are not read.
class Bitnet : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"ternary", "bitnet", "2", "weight U8 [out/4, in], weight_scale BF16 [1]"};

  static bool matches(const Module& module);

  explicit Bitnet(const Module& module);
  std::string format() const override { return "bitnet/ternary"; }
  void decode(int64_t begin, int64_t end, float* out) const override;

 private:
  ChunkedCodes codes_;
  const StoredTensor* scale_;
  bool divides_ = true;
};

// BitNet before it is packed: `linear_class: "autobitlinear"`, `quantization_mode: "online"`. The tool makes plain
// weights ternary whenever it runs the model, and so does this:
//
//   weight  BF16 | F16 | F32  [out, in]
//
//   s = 1 / max(mean |weight|, 1e-5)       the mean over the whole matrix
//   W = clamp(round(weight * s), -1, 1) / s
//
// in float32, half to even; the tool then rounds W to its own type. Embeddings, the head and what
// `modules_to_not_convert` names stay plain.
class BitnetOnline : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"online", "bitnet", "16-32", "weight BF16 [out, in]; made ternary on reading"};

  static bool matches(const Module& module);

  explicit BitnetOnline(const Module& module);
  std::string format() const override { return "bitnet/online"; }
  void decode(int64_t begin, int64_t end, float* out) const override;

 private:
  float read_scale() const;

  const StoredTensor* weight_;
  mutable std::once_flag once_;
  mutable float scale_ = 0;  // s, once it has been asked for
};

}  // namespace assay

#pragma once
#include <array>

#include "formats/autoround/config.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"
#include "formats/shared/unpack.h"

namespace assay {

// AutoRound's 4-bit elements in small groups, two a byte, the even column in the low nibble:
//
//   weight_packed        U8        [out, in / 2]
//   weight_scale         F8_E4M3   [out, in / 16]   nv_fp
//                        U8        [out, in / 16]   nvfp4_v2: unsigned, 5 bits of exponent under 3 of mantissa, bias 15
//                        U8        [out, in / 32]   mx_fp, mx_int: E8M0
//   weight_global_scale  F32       [1]              nv_fp alone, a divisor
//   input_global_scale   F32       [1]              static half of nv_fp activations
//
//   nv_fp     W = e2m1(code) * (scale / global)
//   nvfp4_v2  W = e2m1(code) * scale
//   mx_fp     W = e2m1(code) * scale
//   mx_int    W = (m / 4) * scale, negative where bit 3 of the code is set; m: its low three bits
//
// mx_fp and mx_int look alike: only data_type tells them apart.
class AutoRoundFp4 : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"nvfp4|mxfp4|mxint4|nvfp4_e5m3", autoround::kMethod, "4",
                                    "weight_packed U8 [out, in/2], weight_scale F8_E4M3|U8 [out, in/16|in/32], "
                                    "weight_global_scale F32 [1]"};

  static bool matches(const Module& module) {
    return module.config().method() == autoround::kMethod && module.has("weight_packed");
  }

  explicit AutoRoundFp4(const Module& module);
  std::string format() const override;
  void decode(int64_t begin, int64_t end, float* out) const override;

 private:
  enum class Kind : uint8_t { nvfp4, mxfp4, mxint4, nvfp4_e5m3 };
  static Kind kind_of(const Module& module, const autoround::Scheme& scheme);
  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const;

  Kind kind_;
  const StoredTensor* codes_;
  const StoredTensor* scales_;
  const StoredTensor* global_ = nullptr;  // or null
  ScaleGrid grid_;
};

}  // namespace assay

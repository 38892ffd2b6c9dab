#pragma once
#include "formats/format.h"

namespace assay {

// AQLM: a group of weights is the sum of one vector from each codebook. The module shares its codebooks.
//
//   codes      I8 | I16 | I32 | I64   [out / p, in / g, M]   b bits, signed: add 2^b to negative ones
//   codebooks  F16 | BF16 | F32       [M, 2^b, p, g]
//   scales     F16 | BF16 | F32       [out / p, 1, 1, 1]
//
//   W[o * p + r][i * g + s] = scales[o] * (codebooks[0][c(o, i, 0)][r][s] + ... + codebooks[M - 1][c(o, i, M -
//   1)][r][s])
//
// in float32, the sum in the order of the codebooks. A 12-bit code takes 16 stored bits; it counts modulo 2^12, not
// 2^16. The config repeats M, b, p and g once for all modules; the shapes say them too and must agree.
class Aqlm : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"codebooks", "aqlm", "1-8",
                                    "codes I8|I16|I32 [out/p, in/g, M], codebooks float [M, 2^b, p, g], scales float "
                                    "[out/p, 1, 1, 1]"};

  static bool matches(const Module& module) { return module.has("codes") && module.has("codebooks"); }

  explicit Aqlm(const Module& module);
  std::string format() const override;
  void decode(int64_t begin, int64_t end, float* out) const override;
  int64_t row_alignment() const override { return row_group_; }

 private:
  void require_config() const;
  void to_indices(const std::byte* codes, int64_t row, int32_t* indices) const;
  template <class Code>
  void to_indices(const std::byte* codes, int64_t row, int32_t* indices) const;

  const StoredTensor* codes_;
  const StoredTensor* codebooks_;
  const StoredTensor* scales_;
  int64_t books_ = 0;      // M
  int bits_ = 0;           // b
  int64_t row_group_ = 0;  // p
  int64_t col_group_ = 0;  // g
};

}  // namespace assay

#pragma once
#include <array>
#include <vector>

#include "formats/format.h"
#include "formats/shared/columns.h"

namespace assay {

// QQQ: 4-bit weights for an 8-bit matrix product, in the tile order of its Marlin kernel.
//
//   B          I32   [in / 16, 2 * out]   a row is 16 columns of W; 128 words of it are 64 outputs
//   s_channel  F32   [1, out]             permuted within 32 outputs
//   s_group    F16   [groups, out]        permuted within 64 outputs; absent for group_size -1
//
//   word 4i + j of 128, nibble n, e = order[n]:  output 16j + i / 4 + 8 * (e / 4),  column 4 * (i % 4) + e % 4
//   order: 0 2 4 6 1 3 5 7 with groups, 4 0 5 1 6 2 7 3 without; the Marlin kernel of GPTQ has another
//
//   groups:   W = clamp(round((q - 8) * s_group), -128, 127) * s_channel     half to even: the kernel's 8-bit operand
//   without:  W = 16 * q * s_channel, q in two's complement
//
// Inputs are int8, one scale a token: amax / 127.
class Qqq : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"qqq", "qqq", "4",
                                    "B I32 [in/16, 2*out], s_channel F32 [1, out], s_group F16 [groups, out]"};
  /// Outputs that share tiles.
  static constexpr int64_t kBlock = 64;

  static bool matches(const Module& module) { return module.config().method() == kInfo.family && module.has("B"); }

  explicit Qqq(const Module& module);
  std::string format() const override { return "qqq/qqq"; }
  void decode(int64_t begin, int64_t end, float* out) const override;
  int64_t row_alignment() const override { return kBlock; }

 private:
  /// Outputs [64 * number, 64 * number + 64).
  void decode_block(int64_t number, int64_t begin, int64_t end, float* out) const;
  static std::array<float, 16> code_values(const float* group, float channel);
  void expand(const ColumnWords& words, int64_t row, int64_t begin, int64_t end, const std::array<float, 16>& values,
              float* w) const;
  std::array<float, kBlock> channel_scales(int64_t number) const;
  std::vector<float> group_scales(int64_t number) const;

  const StoredTensor* codes_;
  const StoredTensor* channel_;
  const StoredTensor* group_ = nullptr;  // or null
  int64_t group_size_ = 0;
};

}  // namespace assay

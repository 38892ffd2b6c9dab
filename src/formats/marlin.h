#pragma once
#include <vector>

#include "formats/awq/config.h"
#include "formats/gptq/config.h"
#include "formats/shared/columns.h"

namespace assay {

// 4-bit integers in the tile order of the Marlin kernel, as AutoGPTQ and AutoAWQ stored them.
//
//   B | qweight  I32          [in / 16, 2 * out]   a row is 16 columns of W; 128 words of it are 64 outputs
//   s | scales   F16 | BF16   [groups, out]        permuted within 64 outputs, or within 32 where there is one group
//
//   word 4i + j of 128, nibble n, e = [0, 2, 4, 6, 1, 3, 5, 7][n]:
//     output 16j + i / 4 + 8 * (e / 4),  column [2a, 2a + 1, 2a + 8, 2a + 9][e % 4], a = i % 4
//   scale at place p of 64 is of output p / 8 + 8 * (p % 8);
//   one group, place p of 32: 2 * (p / 8) + [0, 1, 8, 9, 16, 17, 24, 25][p % 8]
//
//   W = (q - 8) * scale, group = column / group_size
//
// There are no zero points and no order of columns. Source: AutoGPTQ 0.7.1 qlinear_marlin.py, AutoAWQ 0.2.9 marlin.py.
class Marlin : public StoredWeight {
 public:
  void decode(int64_t begin, int64_t end, float* out) const override;
  int64_t row_alignment() const override;

 protected:
  Marlin(const Module& module, const char* codes, const char* scales, int64_t group_size);

 private:
  void decode_block(int64_t number, int64_t begin, int64_t end, float* out) const;
  /// [groups, 64]
  std::vector<float> read_scales(int64_t number) const;
  void expand(const ColumnWords& words, int64_t row, const float* scales, float* w) const;

  const StoredTensor* codes_;
  const StoredTensor* scales_;
  int64_t group_size_ = 0;
  int64_t groups_ = 0;
};

/// `checkpoint_format: marlin`, or `is_marlin_format` of older files.
class GptqMarlin : public Marlin {
 public:
  static constexpr FormatInfo kInfo{"marlin", gptq::kMethod, "4", "B I32 [in/16, 2*out], s F16 [groups, out]"};

  static bool matches(const Module& module) { return module.config().method() == gptq::kMethod && module.has("B"); }

  explicit GptqMarlin(const Module& module);
  std::string format() const override { return "gptq/marlin"; }
};

/// `version: marlin`.
class AwqMarlin : public Marlin {
 public:
  static constexpr FormatInfo kInfo{"marlin", awq::kMethod, "4",
                                    "qweight I32 [in/16, 2*out], scales F16 [groups, out]"};

  /// Its other layouts have zero points.
  static bool matches(const Module& module) {
    return module.config().method() == awq::kMethod && module.has("qweight") && !module.has("qzeros") &&
           module.config().parsed<awq::Config>().marlin;
  }

  explicit AwqMarlin(const Module& module);
  std::string format() const override { return "awq/marlin"; }
};

}  // namespace assay

#pragma once
#include "formats/awq/config.h"
#include "formats/shared/bits.h"
#include "formats/shared/columns.h"
#include "formats/shared/reading.h"

namespace assay {

// AWQ in the layout of its second matrix-vector kernel and of llm-awq, 4 bits.
//
//   qweight                        I16   [out / 4, in]   four outputs a row; 64 words are 64 columns of each
//   scales                         F16   [p, out]        p: groups rounded up, as in gemv
//   qzeros | scaled_zeros          F16   [p, out]        -(zero * scale), rounded to half; scaled_zeros: llm-awq
//
//   64 words of a row:   | output 0: 16 words | output 1 | output 2 | output 3 |
//   8 of those words m:  nibble n is column 8n + m of 32
//
//   W[o][i] = q * scale + zero, in float32, the product rounded first
//
// llm-awq is told by the name of its zeros: its config may say version gemv.
class AwqGemvFast : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"gemv_fast|llm-awq", "awq", "4",
                                    "qweight I16 [out/4, in], scales F16 [groups, out], qzeros|scaled_zeros F16 "
                                    "[groups, out]"};
  static constexpr int64_t kBlock = 64;  // columns

  static bool matches(const Module& module) {
    const StoredTensor* codes = module.find("qweight");
    return module.config().method() == awq::kMethod && codes && codes->dtype == DType::I16;
  }

  explicit AwqGemvFast(const Module& module) : StoredWeight(module) {
    const auto& config = module.config().parsed<awq::Config>();
    if (config.bits != 4) module.refuse(fmt::format("{} says {} bits; I16 words hold 4", config.where, config.bits));
    codes_ = &module.expect("qweight", {DType::I16}, {-1, -1});
    rows_ = codes_->shape[0] * 4;
    cols_ = codes_->shape[1];
    if (rows_ < 1 || cols_ < 1 || cols_ % kBlock != 0) {
      module.refuse(fmt::format("{}: expected [out / 4, in] with in a multiple of {}, found {}", codes_->name, kBlock,
                                codes_->describe()));
    }
    group_size_ = config.group_size == -1 ? cols_ : std::min(config.group_size, cols_);
    groups_ = ceil_div(cols_, group_size_);
    const int64_t padded = awq::padded_groups(groups_, group_size_);
    llm_awq_ = module.has("scaled_zeros");
    scales_ = &module.expect("scales", {DType::F16, DType::BF16, DType::F32}, {padded, rows_});
    zeros_ =
        &module.expect(llm_awq_ ? "scaled_zeros" : "qzeros", {DType::F16, DType::BF16, DType::F32}, {padded, rows_});
    parts_ = awq::parts_of(module);
  }

  std::string format() const override { return llm_awq_ ? "awq/llm-awq" : "awq/gemv_fast"; }
  int64_t row_alignment() const override { return 4; }

  void decode(int64_t begin, int64_t end, float* out) const override {
    if (begin == end) return;
    const auto scales = read_column_scales(module_, *scales_, begin, end, cols_, group_size_, groups_);
    const auto zeros = read_column_scales(module_, *zeros_, begin, end, cols_, group_size_, groups_);
    for_rows(module_.checkpoint(), *codes_, cols_ * 2, begin / 4, ceil_div(end, 4),
             [&](int64_t four, const uint8_t* stored) {
               const auto* words = reinterpret_cast<const uint16_t*>(stored);
               for (int64_t row = std::max(begin, 4 * four); row < std::min(end, 4 * four + 4); ++row) {
                 float* w = out + (row - begin) * cols_;
                 unpack(words + row % 4 * 16, w);
                 const int64_t at = (row - begin) * groups_;
                 scale(scales.scales.data() + at, zeros.scales.data() + at, w);
               }
             });
  }

 private:
  /// `words`: the row's first ones.
  void unpack(const uint16_t* words, float* w) const {
    for (int64_t half = 0; half < cols_ / 32; ++half) {
      const uint16_t* eight = words + half / 2 * kBlock + half % 2 * 8;
      for (int n = 0; n < 4; ++n, w += 8) {
        for (int m = 0; m < 8; ++m) w[m] = static_cast<float>(eight[m] >> 4 * n & 15);
      }
    }
  }

  void scale(const float* scales, const float* zeros, float* w) const {
    for (int64_t first = 0; first < cols_; first += group_size_, ++scales, ++zeros) {
      const int64_t last = std::min(first + group_size_, cols_);
      for (int64_t i = first; i < last; ++i) w[i] = w[i] * *scales + *zeros;
    }
  }

  const StoredTensor* codes_;
  const StoredTensor* zeros_;
  const StoredTensor* scales_;
  bool llm_awq_ = false;
  int64_t group_size_ = 0;
  int64_t groups_ = 0;
};

}  // namespace assay

#pragma once
#include "formats/awq/config.h"
#include "formats/shared/bits.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"

namespace assay {

// AWQ in the layout of its first matrix-vector kernel, 4 bits.
//
//   qweight  I32           [out, in / 8]   column 8w + k in nibble k of word w
//   qzeros   I32           [out, p / 8]    zero points, packed alike
//   scales   F16 | BF16    [out, p]
//
//   W[o][i] = (q - z) * scale, group = i / group_size
//
// p is the number of groups, rounded up to 8, 16 (groups of 64) or 32 (smaller ones): the rest is padding.
class AwqGemv : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{
      "gemv", "awq", "4", "qweight I32 [out, in/8], qzeros I32 [out, groups/8], scales F16|BF16 [out, groups]"};

  /// Rows are outputs in all tensors; the config's version says so too, but not always.
  static bool matches(const Module& module) {
    const StoredTensor *codes = module.find("qweight"), *scales = module.find("scales"), *zeros = module.find("qzeros");
    const auto same_rows = [&](const StoredTensor* other) {
      return !other || (!other->shape.empty() && other->shape[0] == codes->shape[0]);
    };
    return module.config().method() == awq::kMethod && codes && codes->dtype == DType::I32 && !codes->shape.empty() &&
           (scales || zeros) && same_rows(scales) && same_rows(zeros);
  }

  explicit AwqGemv(const Module& module) : StoredWeight(module) {
    const auto& config = module.config().parsed<awq::Config>();
    if (config.bits != 4) module.refuse(fmt::format("{} says {} bits; gemv has 4", config.where, config.bits));
    codes_ = &module.expect("qweight", {DType::I32}, {-1, -1});
    rows_ = codes_->shape[0];
    cols_ = codes_->shape[1] * 8;
    if (rows_ < 1 || cols_ < 1) module.refuse(fmt::format("{}: empty: {}", codes_->name, codes_->describe()));
    group_size_ = config.group_size == -1 ? cols_ : std::min(config.group_size, cols_);
    groups_ = ceil_div(cols_, group_size_);
    const int64_t padded = awq::padded_groups(groups_, group_size_);
    scales_ = &module.expect("scales", {DType::F16, DType::BF16, DType::F32}, {rows_, padded});
    zeros_ = &module.expect("qzeros", {DType::I32}, {rows_, padded / 8});
    parts_ = awq::parts_of(module);
  }

  std::string format() const override { return "awq/gemv"; }

  void decode(int64_t begin, int64_t end, float* out) const override {
    if (begin == end) return;
    const ScaleGrid::Rows scales = read_scales(begin, end);
    for_rows(module_.checkpoint(), *codes_, cols_ / 2, begin, end, [&](int64_t row, const uint8_t* codes) {
      float* w = out + (row - begin) * cols_;
      unpack_stream<4>(reinterpret_cast<const uint32_t*>(codes), cols_ / 8, cols_, w);
      scales.apply(row, w);
    });
  }

 private:
  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const {
    const int64_t padded = scales_->shape[1], words = zeros_->shape[1];
    const std::vector<float> stored =
        read_values(module_.checkpoint(), *scales_, scales_->dtype, begin * padded, (end - begin) * padded);
    const auto zeros = read_elements<uint32_t>(module_.checkpoint(), *zeros_, begin * words, (end - begin) * words);
    require_finite(module_, *scales_, stored, begin * padded, padded);
    std::vector<float> kept;
    for (int64_t row = 0; row < end - begin; ++row) {
      kept.insert(kept.end(), stored.begin() + row * padded, stored.begin() + row * padded + groups_);
    }
    ScaleGrid::Rows rows(begin, end, cols_, group_size_, std::move(kept));
    rows.zeros.resize(rows.scales.size());
    for (int64_t row = 0; row < end - begin; ++row) {
      unpack_stream<4>(zeros.data() + row * words, words, groups_, rows.zeros.data() + row * groups_);
    }
    return rows;
  }

  const StoredTensor* codes_;
  const StoredTensor* zeros_;
  const StoredTensor* scales_;
  int64_t group_size_ = 0;
  int64_t groups_ = 0;
};

}  // namespace assay

#include "formats/quark_int4.h"

#include "base/error.h"
#include "formats/shared/columns.h"

namespace assay {

namespace {

constexpr int kPerWord = 8;
/// Nibble that holds output 8c + i.
constexpr int kNibbleOf[kPerWord] = {0, 4, 1, 5, 2, 6, 3, 7};

}  // namespace

QuarkInt4::QuarkInt4(const Module& module) : Weight(module, kInfo.name) {
  const quark::TensorScheme& scheme = require_dtype({"int4", "uint4"});
  is_signed_ = scheme.dtype == "int4";
  reorder_ = module.config().parsed<quark::Config>().reorder();
  codes_ = &module.expect("weight", {DType::I32}, {-1, -1});
  cols_ = codes_->shape[0];
  rows_ = codes_->shape[1] * kPerWord;
  if (rows_ < 1 || cols_ < 1) module.refuse(fmt::format("{}: empty: {}", codes_->name, codes_->describe()));
  group_size_ = scheme.qscheme == "per_group" ? scheme.group_size : cols_;
  if (group_size_ < 1 || cols_ % group_size_ != 0) {
    module.refuse(fmt::format("{}: groups of {} do not divide {} columns", scheme.where, group_size_, cols_));
  }
  groups_ = cols_ / group_size_;
  scale_tensor_ = &module.expect("weight_scale", {DType::F32, DType::BF16, DType::F16}, {groups_, rows_});
  if (module.has("weight_zero_point")) {
    zeros_ = &module.expect("weight_zero_point", {DType::I32}, {groups_, codes_->shape[1]});
  } else if (!is_signed_) {
    module.at("weight_zero_point");
  }
  finish();
}

void QuarkInt4::unpack(const uint32_t* words, int64_t height, int64_t output, float* codes) const {
  const auto place = static_cast<int>(output % kPerWord);
  const int shift = 4 * (reorder_ ? kNibbleOf[place] : place);
  if (is_signed_) {
    // The nibble to the top of the word, and down again with its sign.
    for (int64_t i = 0; i < height; ++i) {
      codes[i] = static_cast<float>(static_cast<int32_t>(words[i] << (28 - shift)) >> 28);
    }
  } else {
    for (int64_t i = 0; i < height; ++i) codes[i] = static_cast<float>(words[i] >> shift & 15);
  }
}

ScaleGrid::Rows QuarkInt4::read_scales(int64_t begin, int64_t end) const {
  ScaleGrid::Rows scales = read_column_scales(module_, *scale_tensor_, begin, end, cols_, group_size_, groups_);
  if (!zeros_) return scales;
  const int64_t first = begin / kPerWord;
  const ColumnWords words = read_columns(module_.checkpoint(), *zeros_, first, (end - 1) / kPerWord + 1);
  scales.zeros.resize(scales.scales.size());
  for (int64_t row = begin; row < end; ++row) {
    unpack(words.row(row / kPerWord - first), groups_, row, scales.zeros.data() + (row - begin) * groups_);
  }
  return scales;
}

void QuarkInt4::decode(int64_t begin, int64_t end, float* out) const {
  if (begin == end) return;
  const ScaleGrid::Rows scales = read_scales(begin, end);
  const int64_t first = begin / kPerWord;
  const ColumnWords words = read_columns(module_.checkpoint(), *codes_, first, (end - 1) / kPerWord + 1);
  for (int64_t row = begin; row < end; ++row) {
    float* w = out + (row - begin) * cols_;
    unpack(words.row(row / kPerWord - first), cols_, row, w);
    scales.apply(row, w);
  }
}

}  // namespace assay

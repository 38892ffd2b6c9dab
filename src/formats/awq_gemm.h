#pragma once
#include "formats/awq/config.h"
#include "formats/shared/bits.h"
#include "formats/shared/columns.h"

namespace assay {

// AWQ in the layout of its matrix-matrix kernel.
//
//   qweight  I32           [in, out * b / 32]       codes packed along out
//   qzeros   I32           [groups, out * b / 32]   zero points, packed alike
//   scales   F16 | BF16    [groups, out]
//
//   W[o][i] = (q - z) * scale, group = i / group_size
//
// 4 bits are interleaved: nibble k of a word is output [0, 2, 4, 6, 1, 3, 5, 7][k] of its eight. Other widths, which
// one recent writer allows, are a stream: output o at bit o * b. Zero points are there even if the config says
// "zero_point": false. The decoded weights are not near the original ones: AWQ moves factors between a norm and the
// weights behind it.
class AwqGemm : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"gemm", "awq", "2-8",
                                    "qweight I32 [in, out*b/32], qzeros I32 [groups, out*b/32], scales F16|BF16 "
                                    "[groups, out]"};

  static bool matches(const Module& module) {
    const StoredTensor* codes = module.find("qweight");
    return module.config().method() == awq::kMethod && codes && codes->dtype == DType::I32;
  }

  explicit AwqGemm(const Module& module)
      : AwqGemm(module, module.config().parsed<awq::Config>().bits, module.config().parsed<awq::Config>().group_size) {}

  std::string format() const override { return "awq/gemm"; }
  int64_t row_alignment() const override { return 8; }

  void decode(int64_t begin, int64_t end, float* out) const override {
    if (begin == end) return;
    ScaleGrid::Rows scales = read_column_scales(module_, *scales_, begin, end, cols_, group_size_, groups_);
    scales.zeros.resize(scales.scales.size());
    const int64_t first_word = begin / 32 * bits_, last_word = std::min(ceil_div(end, 32) * bits_, codes_->shape[1]);
    const ColumnWords codes = read_columns(module_.checkpoint(), *codes_, first_word, last_word);
    const ColumnWords zeros = read_columns(module_.checkpoint(), *zeros_, first_word, last_word);
    for (int64_t row = begin; row < end; ++row) {
      float* w = out + (row - begin) * cols_;
      const int64_t bit = bit_of(row) - first_word * 32;
      unpack(codes, bit, cols_, w);
      unpack(zeros, bit, groups_, scales.zeros.data() + (row - begin) * groups_);
      scales.apply(row, w);
    }
  }

 protected:
  AwqGemm(const Module& module, int64_t bits, int64_t group_size) : StoredWeight(module), bits_(bits) {
    codes_ = &module.expect("qweight", {DType::I32}, {-1, -1});
    scales_ = &module.expect("scales", {DType::F16, DType::BF16, DType::F32}, {-1, -1});
    rows_ = scales_->shape[1];
    cols_ = codes_->shape[0];
    groups_ = scales_->shape[0];
    if (rows_ < 1 || cols_ < 1 || codes_->shape[1] != ceil_div(rows_ * bits_, 32)) {
      module.refuse(fmt::format("{}: expected [in, {}], {} bits for each of the {} outputs of {}, found {}",
                                codes_->name, ceil_div(rows_ * bits_, 32), bits_, rows_, scales_->name,
                                codes_->describe()));
    }
    if (bits_ == 4 && rows_ % 8 != 0) module.refuse(fmt::format("{} outputs; expected a multiple of 8", rows_));
    zeros_ = &module.expect("qzeros", {DType::I32}, {groups_, codes_->shape[1]});
    group_size_ = awq::checked_group_size(module, group_size, cols_, groups_, *scales_);
    parts_ = awq::parts_of(module);
  }

 private:
  /// Where the code of an output begins.
  int64_t bit_of(int64_t row) const {
    constexpr int kNibble[] = {0, 4, 1, 5, 2, 6, 3, 7};
    return bits_ == 4 ? row / 8 * 32 + 4 * kNibble[row % 8] : row * bits_;
  }

  /// out[i] = the field at `bit` of column i.
  void unpack(const ColumnWords& columns, int64_t bit, int64_t count, float* out) const {
    const int shift = static_cast<int>(bit % 32);
    const uint32_t mask = (1u << bits_) - 1;
    const uint32_t* word = columns.row(bit / 32);
    if (shift + bits_ <= 32) {
      for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(static_cast<int>(word[i] >> shift & mask));
    } else {
      const uint32_t* next = columns.row(bit / 32 + 1);
      for (int64_t i = 0; i < count; ++i) {
        out[i] = static_cast<float>(static_cast<int>((word[i] >> shift | next[i] << (32 - shift)) & mask));
      }
    }
  }

  int64_t bits_;
  int64_t group_size_ = 0;
  int64_t groups_ = 0;
  const StoredTensor* codes_;
  const StoredTensor* zeros_;
  const StoredTensor* scales_;
};

}  // namespace assay

#pragma once
#include "formats/compressed_tensors/sparse.h"
#include "formats/shared/bitmask.h"
#include "formats/shared/reading.h"

namespace assay {

// Any number of kept values a row, as compressed-tensors before 0.15 stored them ("sparse-bitmask").
//
//   compressed   float | F8_E4M3 | I8  [kept]               kept values of all rows, row-major
//   bitmask      U8                    [out, ceil(in / 8)]
//   row_offsets  I64                   [out]                place of each row's first value in `compressed`
//   shape        I64                   [2] or [2, 1]
//   weight_scale                                            where the kept values are codes
//
//   W = kept value (times its scale), 0 elsewhere
class SparseBitmask : public compressed_tensors::SparseWeight {
 public:
  static constexpr FormatInfo kInfo{"sparse-bitmask", "compressed-tensors", "any + mask",
                                    "compressed [kept], bitmask U8 [out, in/8], row_offsets I64 [out], shape I64"};

  static bool matches(const Module& module) {
    return module.config().method() == compressed_tensors::kMethod && module.has("compressed") &&
           module.has("row_offsets");
  }

  explicit SparseBitmask(const Module& module)
      : SparseWeight(module, rows_in(module), cols_in(module), kInfo.name),
        offsets_(&module.expect("row_offsets", {DType::I64}, {rows_})) {
    module.expect("compressed", {kept_->dtype}, {-1});
  }

  void decode(int64_t begin, int64_t end, float* out) const override {
    const auto scales = read_scales(begin, end);
    const std::vector<uint8_t> masks = read_masks(begin, end);
    const std::vector<int64_t> offsets = read_offsets(begin, end, masks);
    for (int64_t row = begin; row < end; ++row) {
      float* w = out + (row - begin) * cols_;
      const int64_t first = offsets[row - begin], count = offsets[row - begin + 1] - first;
      std::vector<float> kept = read_values(module_.checkpoint(), *kept_, kept_->dtype, first, count);
      kept.push_back(0);
      expand_bitmask(masks.data() + (row - begin) * mask_bytes(), cols_, kept.data(), w);
      if (scales) scales->apply(row, w);
    }
  }

 private:
  static const StoredTensor& mask_in(const Module& module) { return module.expect("bitmask", {DType::U8}, {-1, -1}); }
  static int64_t rows_in(const Module& module) { return mask_in(module).shape[0]; }
  static int64_t cols_in(const Module& module) {
    const auto [rows, cols] = read_shape(module);
    const StoredTensor& mask = mask_in(module);
    if (rows != mask.shape[0] || cols > mask.shape[1] * 8) {
      module.refuse(fmt::format("shape says [{}, {}], but bitmask is {}", rows, cols, mask.describe()));
    }
    return cols;
  }

  /// Where the values of each row begin, and where the last row's end. What the masks count must agree.
  std::vector<int64_t> read_offsets(int64_t begin, int64_t end, const std::vector<uint8_t>& masks) const {
    const int64_t stored = std::min(end + 1, rows_) - begin;
    auto offsets = read_elements<int64_t>(module_.checkpoint(), *offsets_, begin, stored);
    if (end == rows_) offsets.push_back(kept_->elements());
    for (int64_t row = begin; row < end; ++row) {
      const int64_t first = offsets[row - begin], last = offsets[row - begin + 1];
      const int64_t population = mask_population(masks.data() + (row - begin) * mask_bytes(), cols_);
      if (first < 0 || last > kept_->elements() || first > last || last - first != population) {
        fail("{}: row {} has values {} to {} of {}, but its bitmask keeps {}", name(), row, first, last,
             kept_->elements(), population);
      }
    }
    return offsets;
  }

  const StoredTensor* offsets_;
};

}  // namespace assay

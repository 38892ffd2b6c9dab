#pragma once
#include <optional>

#include "formats/compressed_tensors/weight.h"

namespace assay::compressed_tensors {

/// What the sparse layouts of older releases have in common. Their suffixes stand in the place of "weight":
///
///   compressed    BF16 | F16 | F32 | F8_E4M3 | I8   the kept values, row by row
///   bitmask       U8   [out, ceil(in / 8)]          bit c % 8 of byte c / 8: column c is kept
///   shape         I64  [2] or [2, 1]                out, in
///   weight_scale, weight_zero_point                 where the kept values are codes; they apply after expansion
class SparseWeight : public Weight {
 protected:
  SparseWeight(const Module& module, int64_t rows, int64_t cols, const std::string& variant);

  /// The masks of rows [begin, end), one after the other.
  std::vector<uint8_t> read_masks(int64_t begin, int64_t end) const;
  int64_t mask_bytes() const { return mask_->shape[1]; }

  /// The scales of the rows, if the kept values are codes.
  std::optional<ScaleGrid::Rows> read_scales(int64_t begin, int64_t end) const;

  static std::pair<int64_t, int64_t> read_shape(const Module& module);

  const StoredTensor* kept_;

 private:
  const StoredTensor* mask_;
  const StoredTensor* zeros_ = nullptr;
  std::optional<ScaleGrid> scales_;
};

}  // namespace assay::compressed_tensors

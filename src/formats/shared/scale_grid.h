#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "formats/format.h"
#include "formats/shared/host_device.h"

namespace assay {

/// w = (code - zero) * scale for codes that share both, in float32.
ASSAY_HD inline void scale_codes(float* w, int64_t count, float scale, float zero) {
  for (int64_t i = 0; i < count; ++i) w[i] = (w[i] - zero) * scale;
}

/// The scales of a weight in rectangular blocks, one stored number each:
///
///            col_block
///          +-----+-----+--            weight row r, column c:  scale[r / row_block][c / col_block]
///          |s00  |s01  |              per tensor: one block; per row: 1 x cols; per group: 1 x group_size;
///  row_    |     |     |              128x128 blocks: the last ones may be cut off by the edge
///  block   +-----+-----+--
///          |s10  |s11  |
class ScaleGrid {
 public:
  ScaleGrid() = default;
  /// Refuses a shape that does not tile [rows, cols] with such blocks. `as`: how to read the elements.
  ScaleGrid(const Module& module, const StoredTensor& scale, DType as, int64_t rows, int64_t cols, int64_t row_block,
            int64_t col_block);

  /// The scales of some rows of the weight, in float32.
  class Rows {
   public:
    Rows() = default;
    Rows(const ScaleGrid& grid, int64_t begin, int64_t end, std::vector<float> scales);
    /// One row of scales for each weight row, one scale for `col_block` columns.
    Rows(int64_t begin, int64_t end, int64_t cols, int64_t col_block, std::vector<float> scales);

    /// Blocks that cover the rows: [grid_rows, grid_cols], the first row of it being `first_grid_row` of the tensor.
    std::vector<float> scales;
    /// As many as scales, or none.
    std::vector<float> zeros;
    /// Grid column of each weight column, where that is not column / col_block.
    std::vector<int32_t> column_groups;
    int64_t first_grid_row = 0, grid_rows = 0, grid_cols = 0;

    /// run(first column, columns, scale, zero) for the columns of weight row `row` that share a scale.
    template <class Run>
    void for_runs(int64_t row, Run&& run) const {
      const int64_t at = (row / row_block_ - first_grid_row) * grid_cols;
      const int64_t step = column_groups.empty() ? col_block_ : 1;
      for (int64_t first = 0, g = 0; first < cols_; first += step, ++g) {
        const int64_t place = at + (column_groups.empty() ? g : column_groups[first]);
        run(first, std::min(step, cols_ - first), scales[place], zeros.empty() ? 0.0f : zeros[place]);
      }
    }

    /// Codes of weight row `row` to weights, in place.
    void apply(int64_t row, float* w) const;

   private:
    int64_t cols_ = 0, row_block_ = 1, col_block_ = 1;
  };

  /// Reads the scales of weight rows [begin, end). A scale that is not finite is an Error that says which one.
  Rows read(const Module& module, int64_t begin, int64_t end) const;

  int64_t grid_rows() const { return grid_rows_; }
  int64_t grid_cols() const { return grid_cols_; }
  int64_t col_block() const { return col_block_; }

 private:
  const StoredTensor* scale_ = nullptr;
  DType as_ = DType::F32;
  int64_t cols_ = 0, row_block_ = 1, col_block_ = 1;
  int64_t grid_rows_ = 0, grid_cols_ = 0;
};

/// Error when a value is NaN or infinite: names the tensor and the index, `first` being the place of values[0] in it
/// and `width` the length of its last dimension.
void require_finite(const Module& module, const StoredTensor& tensor, const std::vector<float>& values,
                    int64_t first = 0, int64_t width = 0);

/// The one finite number of a tensor of one element.
float read_scalar(const Module& module, const StoredTensor& tensor);

}  // namespace assay

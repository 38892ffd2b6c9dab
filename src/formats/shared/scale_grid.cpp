#include "formats/shared/scale_grid.h"

#include <algorithm>
#include <cmath>

#include "formats/shared/bits.h"
#include "formats/shared/reading.h"

namespace assay {

ScaleGrid::ScaleGrid(const Module& module, const StoredTensor& scale, DType as, int64_t rows, int64_t cols,
                     int64_t row_block, int64_t col_block)
    : scale_(&scale),
      as_(as),
      cols_(cols),
      row_block_(row_block),
      col_block_(col_block),
      grid_rows_(ceil_div(rows, row_block)),
      grid_cols_(ceil_div(cols, col_block)) {
  // Leading dimensions are rows: stacked experts, or dimensions of 1 between those that count.
  const std::vector<int64_t>& shape = scale.shape;
  const bool fits = scale.elements() == grid_rows_ * grid_cols_ && (shape.size() != 2 || shape[0] == grid_rows_) &&
                    (shape.size() < 3 || shape.back() == grid_cols_ || shape.back() == 1);
  if (!fits) {
    module.refuse(
        fmt::format("{}: expected [{}, {}] scales, one for each {} x {} block of the weight [{}, {}], found {}",
                    scale.name, grid_rows_, grid_cols_, row_block, col_block, rows, cols, scale.describe()));
  }
}

ScaleGrid::Rows ScaleGrid::read(const Module& module, int64_t begin, int64_t end) const {
  const int64_t first = begin / row_block_ * grid_cols_;
  const int64_t count = ((end - 1) / row_block_ + 1) * grid_cols_ - first;
  std::vector<float> scales = read_values(module.checkpoint(), *scale_, as_, first, count);
  require_finite(module, *scale_, scales, first, grid_cols_);
  return {*this, begin, end, std::move(scales)};
}

ScaleGrid::Rows::Rows(const ScaleGrid& grid, int64_t begin, int64_t end, std::vector<float> values)
    : scales(std::move(values)),
      first_grid_row(begin / grid.row_block_),
      grid_rows((end - 1) / grid.row_block_ + 1 - first_grid_row),
      grid_cols(grid.grid_cols_),
      cols_(grid.cols_),
      row_block_(grid.row_block_),
      col_block_(grid.col_block_) {}

ScaleGrid::Rows::Rows(int64_t begin, int64_t end, int64_t cols, int64_t col_block, std::vector<float> values)
    : scales(std::move(values)),
      first_grid_row(begin),
      grid_rows(end - begin),
      grid_cols(static_cast<int64_t>(scales.size()) / grid_rows),
      cols_(cols),
      col_block_(col_block) {}

void ScaleGrid::Rows::apply(int64_t row, float* w) const {
  if (column_groups.empty()) {
    return for_runs(row, [w](int64_t first, int64_t count, float scale, float zero) {
      scale_codes(w + first, count, scale, zero);
    });
  }
  const int64_t at = (row / row_block_ - first_grid_row) * grid_cols;
  for (int64_t c = 0; c < cols_; ++c) {
    const int64_t place = at + column_groups[c];
    if (!zeros.empty()) w[c] -= zeros[place];
    w[c] *= scales[place];
  }
}

void require_finite(const Module& module, const StoredTensor& tensor, const std::vector<float>& values, int64_t first,
                    int64_t width) {
  const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  const int64_t index = first + (bad - values.begin());
  const std::string place = width > 0 ? fmt::format("{}, {}", index / width, index % width) : std::to_string(index);
  fail("{}: {}[{}] is {}; every scale must be finite. The checkpoint is damaged or its quantizer failed here",
       module.name(), tensor.name, place, *bad);
}

float read_scalar(const Module& module, const StoredTensor& tensor) {
  if (tensor.elements() != 1 || !is_float(tensor.dtype)) {
    module.refuse(fmt::format("{}: expected one float, found {}", tensor.name, tensor.describe()));
  }
  const std::vector<float> value = read_values(module.checkpoint(), tensor, tensor.dtype, 0, 1);
  require_finite(module, tensor, value);
  return value[0];
}

}  // namespace assay

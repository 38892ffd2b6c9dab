#include "formats/shared/columns.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

#include "base/error.h"
#include "formats/shared/bits.h"
#include "formats/shared/reading.h"

namespace assay {

namespace {

/// to[c][r] = from[r][c], in squares that stay in the cache. `stride` in elements, `to_stride` in bytes.
template <class T>
void transpose(const T* from, int64_t stride, int64_t rows, int64_t cols, std::byte* to, int64_t to_stride) {
  constexpr int64_t kSquare = 16;
  for (int64_t c0 = 0; c0 < cols; c0 += kSquare) {
    const int64_t c1 = std::min(c0 + kSquare, cols);
    for (int64_t r0 = 0; r0 < rows; r0 += kSquare) {
      const int64_t r1 = std::min(r0 + kSquare, rows);
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = r0; r < r1; ++r)
          std::memcpy(to + c * to_stride + r * sizeof(T), &from[r * stride + c], sizeof(T));
      }
    }
  }
}

template <class T>
void read_transposed(const Checkpoint& checkpoint, const StoredTensor& matrix, int64_t begin, int64_t end,
                     std::byte* out, int64_t out_stride) {
  constexpr int64_t kBuffer = 1 << 17;
  const int64_t height = matrix.shape[0], width = matrix.shape[1], cols = end - begin;
  // Many small reads cost more than reading some columns in vain.
  const bool whole_rows = 4 * cols >= width;
  const int64_t stride = whole_rows ? width : cols;
  const int64_t chunk = std::clamp<int64_t>(kBuffer / (stride * sizeof(T)), 1, height);
  const auto buffer = std::make_unique_for_overwrite<T[]>(chunk * stride);
  const auto read = [&](int64_t element, int64_t count, T* to) {
    checkpoint.read(matrix, element * sizeof(T), std::as_writable_bytes(std::span(to, count)));
  };
  for (int64_t first = 0; first < height; first += chunk) {
    const int64_t rows = std::min(chunk, height - first);
    if (whole_rows) {
      read(first * width, rows * width, buffer.get());
    } else {
      for (int64_t r = 0; r < rows; ++r) read((first + r) * width + begin, cols, buffer.get() + r * cols);
    }
    const T* from = buffer.get() + (whole_rows ? begin : 0);
    transpose(from, stride, rows, cols, out + first * sizeof(T), out_stride);
  }
}

}  // namespace

ColumnWords read_columns(const Checkpoint& checkpoint, const StoredTensor& matrix, int64_t begin, int64_t end) {
  ASSAY_CHECK(matrix.shape.size() == 2 && 0 <= begin && begin < end && end <= matrix.shape[1]);
  const int64_t bytes = bits_of(matrix.dtype) / 8;
  ColumnWords columns;
  columns.length = ceil_div(matrix.shape[0] * bytes, 4);
  columns.words.resize((end - begin) * columns.length);
  auto* out = reinterpret_cast<std::byte*>(columns.words.data());
  const int64_t stride = columns.length * 4;
  switch (bytes) {
    case 1:
      read_transposed<uint8_t>(checkpoint, matrix, begin, end, out, stride);
      break;
    case 2:
      read_transposed<uint16_t>(checkpoint, matrix, begin, end, out, stride);
      break;
    case 4:
      read_transposed<uint32_t>(checkpoint, matrix, begin, end, out, stride);
      break;
    case 8:
      read_transposed<uint64_t>(checkpoint, matrix, begin, end, out, stride);
      break;
    default:
      ASSAY_CHECK(!"an element that is not 1, 2, 4 or 8 bytes");
  }
  return columns;
}

ScaleGrid::Rows read_column_scales(const Module& module, const StoredTensor& scales, int64_t begin, int64_t end,
                                   int64_t cols, int64_t group_size, int64_t groups) {
  const int64_t width = scales.shape[1], rows = end - begin;
  std::vector<float> by_row(rows * groups);
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t first = group * width + begin;
    const std::vector<float> stored = read_values(module.checkpoint(), scales, scales.dtype, first, rows);
    require_finite(module, scales, stored, first, width);
    for (int64_t row = 0; row < rows; ++row) by_row[row * groups + group] = stored[row];
  }
  return {begin, end, cols, group_size, std::move(by_row)};
}

}  // namespace assay

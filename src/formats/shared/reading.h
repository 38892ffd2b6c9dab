#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "checkpoint/checkpoint.h"

namespace assay {

/// `count` stored numbers as float32. Knows every float type of one byte or more, and I8.
void convert_floats(DType dtype, const void* stored, int64_t count, float* out);

/// The way back, rounded to nearest: `dtype` is F32, F16 or BF16.
void store_floats(std::span<const float> values, DType dtype, std::byte* out);

/// Elements [first, first + count) of a tensor as float32; `as` reads them as another type of the same size (E8M0
/// scales are often stored as U8).
std::vector<float> read_values(const Checkpoint& checkpoint, const StoredTensor& tensor, DType as, int64_t first,
                               int64_t count);

/// Elements [first, first + count) of a tensor, whose elements must be as wide as T.
template <class T>
std::vector<T> read_elements(const Checkpoint& checkpoint, const StoredTensor& tensor, int64_t first, int64_t count) {
  ASSAY_CHECK(bits_of(tensor.dtype) == 8 * int{sizeof(T)});
  ASSAY_CHECK(first >= 0 && count >= 0 && first <= tensor.elements() && count <= tensor.elements() - first);
  std::vector<T> values(count);
  checkpoint.read(tensor, first * sizeof(T), std::as_writable_bytes(std::span(values)));
  return values;
}
template <class T>
std::vector<T> read_elements(const Checkpoint& checkpoint, const StoredTensor& tensor) {
  return read_elements<T>(checkpoint, tensor, 0, tensor.elements());
}

/// Stored rows [begin, end) of a tensor whose rows take `row_bytes` each, or those that its row_order puts there.
void read_rows(const Checkpoint& checkpoint, const StoredTensor& tensor, int64_t row_bytes, int64_t begin, int64_t end,
               std::byte* out);

/// Calls `row(r, bytes)` for the rows [begin, end) of a tensor that holds `row_bytes` a row. They pass through a buffer
/// small enough to stay in the cache.
template <class Row>
void for_rows(const Checkpoint& checkpoint, const StoredTensor& tensor, int64_t row_bytes, int64_t begin, int64_t end,
              Row&& row) {
  if (begin >= end) return;
  constexpr int64_t kBuffer = 1 << 16;
  const int64_t chunk = std::clamp<int64_t>(kBuffer / row_bytes, 1, end - begin);
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(chunk * row_bytes);
  for (int64_t r = begin; r < end; r += chunk) {
    const int64_t rows = std::min(chunk, end - r);
    read_rows(checkpoint, tensor, row_bytes, r, r + rows, buffer.get());
    for (int64_t i = 0; i < rows; ++i) row(r + i, reinterpret_cast<const uint8_t*>(buffer.get() + i * row_bytes));
  }
}

}  // namespace assay

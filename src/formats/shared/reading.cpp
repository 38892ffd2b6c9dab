#include "formats/shared/reading.h"

#include <algorithm>
#include <cstring>

#include "formats/format.h"
#include "formats/shared/minifloat.h"

namespace assay {

namespace {

template <class T, class Convert>
void convert(const void* stored, int64_t count, float* out, Convert value) {
  const auto* bytes = static_cast<const std::byte*>(stored);
  for (int64_t i = 0; i < count; ++i) {
    T element;
    std::memcpy(&element, bytes + i * sizeof(T), sizeof(T));
    out[i] = value(element);
  }
}

}  // namespace

void convert_floats(DType dtype, const void* stored, int64_t count, float* out) {
  switch (dtype) {
    case DType::F64:
      return convert<double>(stored, count, out, [](double v) { return static_cast<float>(v); });
    case DType::F32:
      std::memcpy(out, stored, count * sizeof(float));
      return;
    case DType::F16:
      return convert<uint16_t>(stored, count, out, float_of_f16);
    case DType::BF16:
      return convert<uint16_t>(stored, count, out, float_of_bf16);
    case DType::F8_E4M3:
      return convert<uint8_t>(stored, count, out, [](uint8_t v) { return tables::kE4m3[v]; });
    case DType::F8_E5M2:
      return convert<uint8_t>(stored, count, out, float_of_e5m2);
    case DType::F8_E8M0:
      return convert<uint8_t>(stored, count, out, [](uint8_t v) { return tables::kE8m0[v]; });
    case DType::I8:
      return convert<int8_t>(stored, count, out, [](int8_t v) { return static_cast<float>(v); });
    default:
      ASSAY_CHECK(!"a type that is no number of whole bytes");
  }
}

std::vector<float> read_values(const Checkpoint& checkpoint, const StoredTensor& tensor, DType as, int64_t first,
                               int64_t count) {
  const int64_t width = bits_of(as) / 8;
  ASSAY_CHECK(bits_of(as) == bits_of(tensor.dtype));
  ASSAY_CHECK(first >= 0 && count >= 0 && first <= tensor.elements() && count <= tensor.elements() - first);
  const auto stored = std::make_unique_for_overwrite<std::byte[]>(count * width);
  checkpoint.read(tensor, first * width, {stored.get(), static_cast<size_t>(count * width)});
  std::vector<float> values(count);
  convert_floats(as, stored.get(), count, values.data());
  return values;
}

void read_rows(const Checkpoint& checkpoint, const StoredTensor& tensor, int64_t row_bytes, int64_t begin, int64_t end,
               std::byte* out) {
  const auto bytes_of = [&](int64_t rows) { return static_cast<size_t>(rows * row_bytes); };
  if (!tensor.row_order) return checkpoint.read(tensor, bytes_of(begin), {out, bytes_of(end - begin)});
  const std::vector<int64_t>& order = *tensor.row_order;
  ASSAY_CHECK(begin >= 0 && begin < end && end <= static_cast<int64_t>(order.size()));
  const auto [least, most] = std::minmax_element(order.begin() + begin, order.begin() + end);
  const int64_t first = *least, span = *most - *least + 1;
  // Rows move within a head, or in runs: read what lies between where that is little.
  if (span <= 4 * (end - begin)) {
    const auto between = std::make_unique_for_overwrite<std::byte[]>(bytes_of(span));
    checkpoint.read(tensor, bytes_of(first), {between.get(), bytes_of(span)});
    for (int64_t r = begin; r < end; ++r) {
      std::memcpy(out + bytes_of(r - begin), between.get() + bytes_of(order[r] - first), bytes_of(1));
    }
    return;
  }
  for (int64_t r = begin, next; r < end; r = next) {
    for (next = r + 1; next < end && order[next] == order[next - 1] + 1;) ++next;
    checkpoint.read(tensor, bytes_of(order[r]), {out + bytes_of(r - begin), bytes_of(next - r)});
  }
}

std::vector<float> read_floats(const Checkpoint& checkpoint, const StoredTensor& tensor) {
  if (!is_float(tensor.dtype)) {
    fail("{}: expected a float tensor (F64, F32, F16 or BF16), found {}", tensor.name, tensor.describe());
  }
  std::vector<float> values = read_values(checkpoint, tensor, tensor.dtype, 0, tensor.elements());
  if (tensor.addend != 0) {
    for (float& value : values) value += tensor.addend;
  }
  if (!tensor.row_order) return values;
  const std::vector<int64_t>& order = *tensor.row_order;
  ASSAY_CHECK(!tensor.shape.empty() && tensor.shape[0] == static_cast<int64_t>(order.size()));
  const auto width = static_cast<std::ptrdiff_t>(values.size() / order.size());
  std::vector<float> ordered(values.size());
  for (size_t r = 0; r < order.size(); ++r) {
    std::copy_n(values.begin() + order[r] * width, width, ordered.begin() + static_cast<std::ptrdiff_t>(r) * width);
  }
  return ordered;
}

void store_floats(std::span<const float> values, DType dtype, std::byte* out) {
  if (dtype == DType::F32) {
    std::memcpy(out, values.data(), values.size_bytes());
    return;
  }
  ASSAY_CHECK(dtype == DType::F16 || dtype == DType::BF16);
  const auto convert = dtype == DType::F16 ? bits_of_f16 : bits_of_bf16;
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = convert(values[i]);
    std::memcpy(out + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace assay

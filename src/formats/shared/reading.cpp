#include "formats/shared/reading.h"

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

std::vector<float> read_floats(const Checkpoint& checkpoint, const StoredTensor& tensor) {
  if (!is_float(tensor.dtype)) {
    fail("{}: expected a float tensor (F64, F32, F16 or BF16), found {}", tensor.name, tensor.describe());
  }
  return read_values(checkpoint, tensor, tensor.dtype, 0, tensor.elements());
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

#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace assay {

/// Element types of stored tensors, by their safetensors names.
enum class DType : uint8_t {
  F64,
  F32,
  F16,
  BF16,
  F8_E4M3,
  F8_E5M2,
  F8_E8M0,
  F6_E2M3,
  F6_E3M2,
  F4,
  I64,
  I32,
  I16,
  I8,
  U64,
  U32,
  U16,
  U8,
  BOOL,
};

/// Bits of one element; F4 and F6 are stored bit-packed.
int bits_of(DType dtype);
std::string_view name_of(DType dtype);
std::optional<DType> dtype_of(std::string_view name);
inline bool is_float(DType dtype) {
  return dtype <= DType::BF16;
}

}  // namespace assay

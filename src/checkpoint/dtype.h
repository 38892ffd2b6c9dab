#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace assay {

/// Types of stored tensors: elements by their safetensors names, then the block-quantized types of GGUF.
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
#define ASSAY_GGUF_TYPE(id, name, ...) name,
#include "checkpoint/gguf_types.def"
#undef ASSAY_GGUF_TYPE
};

/// The least number of consecutive elements that fill whole bytes, and those bytes.
struct Block {
  int64_t elements, bytes;
};
Block block_of(DType dtype);

/// Whether elements are quantized in blocks and have no bits of their own.
inline bool is_blocked(DType dtype) {
  return dtype > DType::BOOL;
}
/// Bits of one element, of a type that is not blocked; F4 and F6 are stored bit-packed.
int bits_of(DType dtype);
std::string_view name_of(DType dtype);
/// By its safetensors name.
std::optional<DType> dtype_of(std::string_view name);
inline bool is_float(DType dtype) {
  return dtype <= DType::BF16;
}

/// The type of a tensor in a GGUF file.
std::optional<DType> dtype_of_gguf(uint32_t id);
/// Whole blocks between big-endian and little-endian, in place.
void swap_byte_order(DType dtype, std::span<std::byte> blocks);

}  // namespace assay

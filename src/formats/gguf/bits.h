#pragma once
#include <string.h>
#include <cstdint>

#include "base/clones.h"
#include "formats/shared/host_device.h"

namespace assay::gguf {

/// A little-endian word wherever it lies.
ASSAY_HD ASSAY_INLINE uint32_t word_at(const uint8_t* bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

/// Bits of a byte to the lowest bits of eight bytes.
ASSAY_HD ASSAY_INLINE uint64_t spread_bits(uint8_t bits) {
  const uint64_t one_each = bits * 0x0101010101010101u & 0x8040201008040201u;
  return (one_each + 0x7F7F7F7F7F7F7F7Fu) >> 7 & 0x0101010101010101u;
}

/// 32 codes of five bits: low nibbles for the first 16, high ones for the others, and a fifth bit each.
ASSAY_HD ASSAY_INLINE void fifth_bits(const uint8_t* high, const uint8_t* nibbles, uint8_t* codes) {
  for (int i = 0; i < 4; ++i) {
    const uint64_t fifth = spread_bits(high[i]) << 4;
    memcpy(codes + 8 * i, &fifth, sizeof fifth);
  }
  for (int i = 0; i < 16; ++i) {
    codes[i] |= nibbles[i] & 15;
    codes[i + 16] |= nibbles[i] >> 4;
  }
}

}  // namespace assay::gguf

#pragma once
#include "formats/gguf/block.h"

namespace assay::gguf {

//   d, m  f16      y[i] = d * n + m
//   qs    u8[16]   n of element i in the low nibble of byte i, of element i + 16 in the high one
struct Q4_1 {
  static constexpr FormatInfo kInfo{"Q4_1", "gguf", "5", "blocks of 32 weights: f16 scale and offset, nibbles"};
  static constexpr DType kType = DType::Q4_1;
  static constexpr int kElements = 32;

  struct Block {
    uint16_t d, m;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 20);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d), m = float_of_f16(block.m);
    for (int i = 0; i < 16; ++i) {
      y[i] = d * static_cast<float>(block.qs[i] & 15) + m;
      y[i + 16] = d * static_cast<float>(block.qs[i] >> 4) + m;
    }
  }
};

}  // namespace assay::gguf

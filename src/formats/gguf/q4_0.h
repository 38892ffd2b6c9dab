#pragma once
#include "formats/gguf/block.h"

namespace assay::gguf {

//   d   f16      y[i] = d * (n - 8)
//   qs  u8[16]   n of element i in the low nibble of byte i, of element i + 16 in the high one
struct Q4_0 {
  static constexpr FormatInfo kInfo{"Q4_0", "gguf", "4.5", "blocks of 32 weights: f16 scale, nibbles"};
  static constexpr DType kType = DType::Q4_0;
  static constexpr int kElements = 32;

  struct Block {
    uint16_t d;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 18);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int i = 0; i < 16; ++i) {
      y[i] = d * static_cast<float>((block.qs[i] & 15) - 8);
      y[i + 16] = d * static_cast<float>((block.qs[i] >> 4) - 8);
    }
  }
};

}  // namespace assay::gguf

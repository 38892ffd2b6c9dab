#pragma once
#include "formats/gguf/block.h"

namespace assay::gguf {

//   d   f16      y[i] = d * (q - 1)
//   qs  u8[16]   four q a byte, the first lowest
struct Q2_0 {
  static constexpr FormatInfo kInfo{"Q2_0", "gguf", "2.25", "blocks of 64 weights: f16 scale, 2-bit codes"};
  static constexpr DType kType = DType::Q2_0;
  static constexpr int kElements = 64;

  struct Block {
    uint16_t d;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 18);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int i = 0; i < 16; ++i) {
      for (int k = 0; k < 4; ++k) y[4 * i + k] = d * static_cast<float>((block.qs[i] >> 2 * k & 3) - 1);
    }
  }
};

}  // namespace assay::gguf

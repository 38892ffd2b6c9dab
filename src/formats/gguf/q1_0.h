#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/signs.h"

namespace assay::gguf {

//   d   f16      y[i] = d where bit i is set, else -d
//   qs  u8[16]   the bits, lowest first
struct Q1_0 {
  static constexpr FormatInfo kInfo{"Q1_0", "gguf", "1.125", "blocks of 128 weights: f16 scale, sign bits"};
  static constexpr DType kType = DType::Q1_0;
  static constexpr int kElements = 128;

  struct Block {
    uint16_t d;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 18);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = -float_of_f16(block.d);
    for (int i = 0; i < 16; ++i) {
      for (int k = 0; k < 8; ++k) y[8 * i + k] = d * kSigns[block.qs[i]].values[k];
    }
  }
};

}  // namespace assay::gguf

#pragma once
#include "formats/gguf/block.h"

namespace assay::gguf {

//   d   f16      y[i] = d * qs[i]
//   qs  i8[32]
struct Q8_0 {
  static constexpr FormatInfo kInfo{"Q8_0", "gguf", "8.5", "blocks of 32 weights: f16 scale, int8"};
  static constexpr DType kType = DType::Q8_0;
  static constexpr int kElements = 32;

  struct Block {
    uint16_t d;
    int8_t qs[32];
  };
  static_assert(sizeof(Block) == 34);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int i = 0; i < 32; ++i) y[i] = d * static_cast<float>(block.qs[i]);
  }
};

}  // namespace assay::gguf

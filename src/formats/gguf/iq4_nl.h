#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/nibbles.h"

namespace assay::gguf {

//   d   f16      y[i] = d * kNonlinear[n]
//   qs  u8[16]   n of element i in the low nibble of byte i, of element i + 16 in the high one
struct IQ4_NL {
  static constexpr FormatInfo kInfo{"IQ4_NL", "gguf", "4.5",
                                    "blocks of 32 weights: f16 scale, nibbles into a table of 16"};
  static constexpr DType kType = DType::IQ4_NL;
  static constexpr int kElements = 32;

  struct Block {
    uint16_t d;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 18);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int i = 0; i < 16; ++i) {
      y[i] = d * kNonlinear[block.qs[i] & 15];
      y[i + 16] = d * kNonlinear[block.qs[i] >> 4];
    }
  }
};

}  // namespace assay::gguf

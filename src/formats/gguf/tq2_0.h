#pragma once
#include "formats/gguf/block.h"

namespace assay::gguf {

//   qs  u8[64]   q of element 128 h + 32 s + l in bits 2 s, 2 s + 1 of byte 32 h + l
//   d   f16      y[i] = d * (q - 1)
struct TQ2_0 {
  static constexpr FormatInfo kInfo{"TQ2_0", "gguf", "2.0625", "blocks of 256 weights: 2-bit codes, f16 scale"};
  static constexpr DType kType = DType::TQ2_0;
  static constexpr int kElements = 256;

  struct Block {
    uint8_t qs[64];
    uint16_t d;
  };
  static_assert(sizeof(Block) == 66);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int part = 0; part < 8; ++part) {
      const uint8_t* q = block.qs + part / 4 * 32;
      const int shift = part % 4 * 2;
      for (int i = 0; i < 32; ++i) y[32 * part + i] = d * static_cast<float>((q[i] >> shift & 3) - 1);
    }
  }
};

}  // namespace assay::gguf

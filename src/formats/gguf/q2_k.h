#pragma once
#include "formats/gguf/block.h"

namespace assay::gguf {

//   scales  u8[16]   of group i / 16: scale S in the low nibble, minimum M in the high one
//   qs      u8[64]   q of element 128 h + 32 s + l in bits 2 s, 2 s + 1 of byte 32 h + l
//   d, dmin f16      y[i] = d * S * q - dmin * M
struct Q2_K {
  static constexpr FormatInfo kInfo{
      "Q2_K", "gguf", "2.625", "blocks of 256 weights: 4-bit scales and minima of 16, 2-bit codes, f16 scales of both"};
  static constexpr DType kType = DType::Q2_K;
  static constexpr int kElements = 256;

  struct Block {
    uint8_t scales[16];
    uint8_t qs[64];
    uint16_t d, dmin;
  };
  static_assert(sizeof(Block) == 84);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d), dmin = float_of_f16(block.dmin);
    for (int group = 0; group < 16; ++group) {
      const uint8_t* q = block.qs + group / 8 * 32 + group % 2 * 16;
      const int shift = group % 8 / 2 * 2;
      const float scale = d * static_cast<float>(block.scales[group] & 15);
      const float min = dmin * static_cast<float>(block.scales[group] >> 4);
      for (int i = 0; i < 16; ++i) y[16 * group + i] = scale * static_cast<float>(q[i] >> shift & 3) - min;
    }
  }
};

}  // namespace assay::gguf

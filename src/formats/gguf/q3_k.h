#pragma once
#include "formats/gguf/block.h"

namespace assay::gguf {

//   hmask   u8[32]   third bit of element 32 g + l in bit g of byte l; where it is 0, q is 4 less
//   qs      u8[64]   low bits of q of element 128 h + 32 s + l in bits 2 s, 2 s + 1 of byte 32 h + l
//   scales  u8[12]   S of group j: low nibble of byte j (j < 8) or high nibble of byte j - 8; upper two bits in bits
//                    2 (j / 4), 2 (j / 4) + 1 of byte 8 + j % 4
//   d       f16      y[i] = d * (S - 32) * q
struct Q3_K {
  static constexpr FormatInfo kInfo{"Q3_K", "gguf", "3.4375",
                                    "blocks of 256 weights: 6-bit scales of 16, 2-bit codes and third bits, f16 scale"};
  static constexpr DType kType = DType::Q3_K;
  static constexpr int kElements = 256;

  struct Block {
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[12];
    uint16_t d;
  };
  static_assert(sizeof(Block) == 110);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int group = 0; group < 16; ++group) {
      const uint8_t* q = block.qs + group / 8 * 32 + group % 2 * 16;
      const uint8_t* high = block.hmask + group % 2 * 16;
      const int shift = group % 8 / 2 * 2, bit = group / 2;
      const int low = group < 8 ? block.scales[group] & 15 : block.scales[group - 8] >> 4;
      const int scale_bits = low | (block.scales[8 + group % 4] >> group / 4 * 2 & 3) << 4;
      const float scale = d * static_cast<float>(scale_bits - 32);
      for (int i = 0; i < 16; ++i) {
        y[16 * group + i] = scale * static_cast<float>((q[i] >> shift & 3) + (high[i] >> bit & 1) * 4 - 4);
      }
    }
  }
};

}  // namespace assay::gguf

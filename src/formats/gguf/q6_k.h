#pragma once
#include "formats/gguf/block.h"

namespace assay::gguf {

//   ql      u8[128]   low bits of element 128 h + 32 s + l: byte 64 h + 32 (s % 2) + l, low nibble for s < 2, else high
//   qh      u8[64]    upper bits of it: bits 2 s, 2 s + 1 of byte 32 h + l
//   scales  i8[16]    of 16 elements
//   d       f16       y[i] = d * scale * (q - 32)
struct Q6_K {
  static constexpr FormatInfo kInfo{"Q6_K", "gguf", "6.5625",
                                    "blocks of 256 weights: nibbles, upper two bits, int8 scales of 16, f16 scale"};
  static constexpr DType kType = DType::Q6_K;
  static constexpr int kElements = 256;

  struct Block {
    uint8_t ql[128];
    uint8_t qh[64];
    int8_t scales[16];
    uint16_t d;
  };
  static_assert(sizeof(Block) == 210);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int group = 0; group < 16; ++group) {
      const int half = group / 8, part = group % 8 / 2, first = group % 2 * 16;
      const uint8_t* low = block.ql + 64 * half + part % 2 * 32 + first;
      const uint8_t* high = block.qh + 32 * half + first;
      const int low_shift = part / 2 * 4, high_shift = 2 * part;
      const float scale = d * static_cast<float>(block.scales[group]);
      for (int i = 0; i < 16; ++i) {
        const int code = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
        y[16 * group + i] = scale * static_cast<float>(code - 32);
      }
    }
  }
};

}  // namespace assay::gguf

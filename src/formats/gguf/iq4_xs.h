#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/nibbles.h"

namespace assay::gguf {

//   d         f16       y[i] = d * (S - 32) * kNonlinear[n]
//   scales_h  u16       upper two bits of S of group g in bits 2 g, 2 g + 1
//   scales_l  u8[4]     lower four bits of it, two groups a byte
//   qs        u8[128]   n of element 32 g + l: byte 16 g + l % 16, low nibble for l < 16, else high
struct IQ4_XS {
  static constexpr FormatInfo kInfo{"IQ4_XS", "gguf", "4.25",
                                    "blocks of 256 weights: f16 scale, 6-bit scales of 32, nibbles into a table of 16"};
  static constexpr DType kType = DType::IQ4_XS;
  static constexpr int kElements = 256;

  struct Block {
    uint16_t d, scales_h;
    uint8_t scales_l[4];
    uint8_t qs[128];
  };
  static_assert(sizeof(Block) == 136);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int group = 0; group < 8; ++group) {
      const uint8_t* q = block.qs + 16 * group;
      const int low = block.scales_l[group / 2] >> group % 2 * 4 & 15;
      const float scale = d * static_cast<float>((low | (block.scales_h >> 2 * group & 3) << 4) - 32);
      for (int i = 0; i < 16; ++i) {
        y[32 * group + i] = scale * kNonlinear[q[i] & 15];
        y[32 * group + i + 16] = scale * kNonlinear[q[i] >> 4];
      }
    }
  }
};

}  // namespace assay::gguf

#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/scales.h"

namespace assay::gguf {

//   d, dmin f16       y[i] = d * S * q - dmin * M
//   scales  u8[12]    S and M of the 8 groups: see scales.h
//   qs      u8[128]   q of element 64 p + l in the low nibble of byte 32 p + l, of 64 p + 32 + l in the high one
struct Q4_K {
  static constexpr FormatInfo kInfo{"Q4_K", "gguf", "4.5",
                                    "blocks of 256 weights: f16 scales, 6-bit scales and minima of 32, nibbles"};
  static constexpr DType kType = DType::Q4_K;
  static constexpr int kElements = 256;

  struct Block {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t qs[128];
  };
  static_assert(sizeof(Block) == 144);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d), dmin = float_of_f16(block.dmin);
    for (int group = 0; group < 8; ++group) {
      const uint8_t* q = block.qs + group / 2 * 32;
      const int shift = group % 2 * 4;
      const float scale = d * scale_of(block.scales, group), min = dmin * min_of(block.scales, group);
      for (int i = 0; i < 32; ++i) y[32 * group + i] = scale * static_cast<float>(q[i] >> shift & 15) - min;
    }
  }
};

}  // namespace assay::gguf

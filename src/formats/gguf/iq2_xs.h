#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/grids.h"
#include "formats/gguf/signs.h"

namespace assay::gguf {

//   d       f16       y[i] = d * (S + 1/2) / 4 * grid * sign
//   qs      u16[32]   of 8 elements: index into kGrid2xs in the low 9 bits, 7-bit signs above
//   scales  u8[8]     S of 16 elements, two a byte
struct IQ2_XS {
  static constexpr FormatInfo kInfo{
      "IQ2_XS", "gguf", "2.3125",
      "blocks of 256 weights: f16 scale, 9-bit grid indices with signs, 4-bit scales of 16"};
  static constexpr DType kType = DType::IQ2_XS;
  static constexpr int kElements = 256;

  struct Block {
    uint16_t d;
    uint16_t qs[32];
    uint8_t scales[8];
  };
  static_assert(sizeof(Block) == 74);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int k = 0; k < 32; ++k) {
      const float scale = d * (0.5f + static_cast<float>(block.scales[k / 4] >> k % 4 / 2 * 4 & 15)) * 0.25f;
      put(scale, kGrid2xs[block.qs[k] & 511], kSigns[even_signs(block.qs[k] >> 9)], y + 8 * k);
    }
  }
};

}  // namespace assay::gguf

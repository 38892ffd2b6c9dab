#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/grids.h"
#include "formats/gguf/signs.h"

namespace assay::gguf {

//   d       f16      y[i] = d * (S + 1/2) / 4 * grid * sign
//   qs      u8[32]   low 8 bits of the index into kGrid2s of 8 elements
//   signs   u8[32]   their sign bits
//   qh      u8[8]    upper two bits of four indices
//   scales  u8[8]    S of 16 elements, two a byte
struct IQ2_S {
  static constexpr FormatInfo kInfo{
      "IQ2_S", "gguf", "2.5625",
      "blocks of 256 weights: f16 scale, 10-bit grid indices, sign bits, 4-bit scales of 16"};
  static constexpr DType kType = DType::IQ2_S;
  static constexpr int kElements = 256;

  struct Block {
    uint16_t d;
    uint8_t qs[32], signs[32], qh[8], scales[8];
  };
  static_assert(sizeof(Block) == 82);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int k = 0; k < 32; ++k) {
      const float scale = d * (0.5f + static_cast<float>(block.scales[k / 4] >> k % 4 / 2 * 4 & 15)) * 0.25f;
      const int index = block.qs[k] | (block.qh[k / 4] >> k % 4 * 2 & 3) << 8;
      put(scale, kGrid2s[index], kSigns[block.signs[k]], y + 8 * k);
    }
  }
};

}  // namespace assay::gguf

#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/grids.h"
#include "formats/gguf/signs.h"

namespace assay::gguf {

//   qs      u8[32]   low 8 bits of the index into kGrid1 of 8 elements
//   qh      u8[16]   a nibble for each 8 elements: upper 3 bits of the index, then the sign of delta, 1/8
//   scales  u16[4]   S of 16 elements, 3 bits each, four a word; their top nibbles are the f16 d, lowest first
//   y[i] = d * (2 S + 1) * (grid + delta)
struct IQ1_M {
  static constexpr FormatInfo kInfo{
      "IQ1_M", "gguf", "1.75",
      "blocks of 256 weights: 11-bit grid indices with shifts of 8, 3-bit scales of 16, f16 scale"};
  static constexpr DType kType = DType::IQ1_M;
  static constexpr int kElements = 256;

  struct Block {
    uint8_t qs[32], qh[16];
    uint16_t scales[4];
  };
  static_assert(sizeof(Block) == 56);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    uint32_t bits = 0;
    for (int k = 0; k < 4; ++k) bits |= static_cast<uint32_t>(block.scales[k] >> 12) << 4 * k;
    const float d = float_of_f16(static_cast<uint16_t>(bits));
    for (int k = 0; k < 32; ++k) {
      const uint32_t high = block.qh[k / 2] >> k % 2 * 4 & 15;
      const float scale = d * static_cast<float>(2 * (block.scales[k / 8] >> k % 8 / 2 * 3 & 7) + 1);
      put_shifted(scale, kGrid1[block.qs[k] | (high & 7) << 8], high & 8 ? -0.125f : 0.125f, y + 8 * k);
    }
  }
};

}  // namespace assay::gguf

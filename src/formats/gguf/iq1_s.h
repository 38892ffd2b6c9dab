#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/grids.h"
#include "formats/gguf/signs.h"

namespace assay::gguf {

//   d   f16      y[i] = d * (2 S + 1) * (grid + delta)
//   qs  u8[32]   low 8 bits of the index into kGrid1 of 8 elements
//   qh  u16[8]   of 32 elements: upper bits of the four indices, 3 each; then S; on top the sign of delta, 1/8
struct IQ1_S {
  static constexpr FormatInfo kInfo{
      "IQ1_S", "gguf", "1.5625",
      "blocks of 256 weights: f16 scale, 11-bit grid indices, 3-bit scales and a shift of 32"};
  static constexpr DType kType = DType::IQ1_S;
  static constexpr int kElements = 256;

  struct Block {
    uint16_t d;
    uint8_t qs[32];
    uint16_t qh[8];
  };
  static_assert(sizeof(Block) == 50);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int group = 0; group < 8; ++group) {
      const uint32_t high = block.qh[group];
      const float scale = d * static_cast<float>(2 * (high >> 12 & 7) + 1);
      const float delta = high >> 15 ? -0.125f : 0.125f;
      for (int k = 0; k < 4; ++k) {
        const uint32_t index = block.qs[4 * group + k] | (high >> 3 * k & 7) << 8;
        put_shifted(scale, kGrid1[index], delta, y + 32 * group + 8 * k);
      }
    }
  }
};

}  // namespace assay::gguf

#pragma once
#include "formats/gguf/bits.h"
#include "formats/gguf/block.h"
#include "formats/gguf/grids.h"
#include "formats/gguf/signs.h"

namespace assay::gguf {

//   d   f16        y[i] = d * (S + 1/2) / 4 * grid * sign
//   qs  u32[8][2]  of 32 elements: four indices into kGrid2xxs, 8 elements each; then four 7-bit signs and, on top, S
struct IQ2_XXS {
  static constexpr FormatInfo kInfo{
      "IQ2_XXS", "gguf", "2.0625",
      "blocks of 256 weights: f16 scale, 8-bit grid indices, signs and 4-bit scales of 32"};
  static constexpr DType kType = DType::IQ2_XXS;
  static constexpr int kElements = 256;

  struct Block {
    uint16_t d;
    uint8_t qs[64];
  };
  static_assert(sizeof(Block) == 66);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int group = 0; group < 8; ++group) {
      const uint8_t* indices = block.qs + 8 * group;
      const uint32_t rest = word_at(indices + 4);
      const float scale = d * (0.5f + static_cast<float>(rest >> 28)) * 0.25f;
      for (int k = 0; k < 4; ++k) {
        put(scale, kGrid2xxs[indices[k]], kSigns[even_signs(rest >> 7 * k & 127)], y + 32 * group + 8 * k);
      }
    }
  }
};

}  // namespace assay::gguf

#pragma once
#include "formats/gguf/bits.h"
#include "formats/gguf/block.h"
#include "formats/gguf/grids.h"
#include "formats/gguf/signs.h"

namespace assay::gguf {

//   d     f16      y[i] = d * (S + 1/2) / 2 * grid * sign
//   qs    u8[64]   index into kGrid3xxs of 4 elements
//   rest  u32[8]   of 32 elements: four 7-bit signs and, on top, S
struct IQ3_XXS {
  static constexpr FormatInfo kInfo{
      "IQ3_XXS", "gguf", "3.0625",
      "blocks of 256 weights: f16 scale, 8-bit grid indices, signs and 4-bit scales of 32"};
  static constexpr DType kType = DType::IQ3_XXS;
  static constexpr int kElements = 256;

  struct Block {
    uint16_t d;
    uint8_t qs[64], rest[32];
  };
  static_assert(sizeof(Block) == 98);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int group = 0; group < 8; ++group) {
      const uint8_t* indices = block.qs + 8 * group;
      const uint32_t rest = word_at(block.rest + 4 * group);
      const float scale = d * (0.5f + static_cast<float>(rest >> 28)) * 0.5f;
      for (int k = 0; k < 4; ++k) {
        put(scale, kGrid3xxs[indices[2 * k]], kGrid3xxs[indices[2 * k + 1]], kSigns[even_signs(rest >> 7 * k & 127)],
            y + 32 * group + 8 * k);
      }
    }
  }
};

}  // namespace assay::gguf

#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/grids.h"
#include "formats/gguf/signs.h"

namespace assay::gguf {

//   d       f16      y[i] = d * (1 + 2 S) * grid * sign
//   qs      u8[64]   low 8 bits of the index into kGrid3s of 4 elements
//   qh      u8[8]    ninth bits of eight indices
//   signs   u8[32]   sign bits of 8 elements
//   scales  u8[4]    S of 32 elements, two a byte
struct IQ3_S {
  static constexpr FormatInfo kInfo{
      "IQ3_S", "gguf", "3.4375", "blocks of 256 weights: f16 scale, 9-bit grid indices, sign bits, 4-bit scales of 32"};
  static constexpr DType kType = DType::IQ3_S;
  static constexpr int kElements = 256;

  struct Block {
    uint16_t d;
    uint8_t qs[64], qh[8], signs[32], scales[4];
  };
  static_assert(sizeof(Block) == 110);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    for (int group = 0; group < 8; ++group) {
      const uint8_t* indices = block.qs + 8 * group;
      const uint32_t high = static_cast<uint32_t>(block.qh[group]) << 8;
      const float scale = d * static_cast<float>(1 + 2 * (block.scales[group / 2] >> group % 2 * 4 & 15));
      for (int k = 0; k < 4; ++k) {
        const Grid4& first = kGrid3s[indices[2 * k] | (high >> 2 * k & 256)];
        const Grid4& second = kGrid3s[indices[2 * k + 1] | (high >> (2 * k + 1) & 256)];
        put(scale, first, second, kSigns[block.signs[4 * group + k]], y + 32 * group + 8 * k);
      }
    }
  }
};

}  // namespace assay::gguf

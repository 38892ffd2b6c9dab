#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/nibbles.h"

namespace assay::gguf {

//   d   u8[4]    E4M3 scale of 16 elements without a sign: the top bit means nothing, 0x7F is 0 and 0xFF is 480
//   qs  u8[32]   n of element 16 u + i in the low nibble of byte 8 u + i, of element 16 u + 8 + i in the high one
//   y[i] = d / 2 * 2 E2M1(n)
struct NVFP4 {
  static constexpr FormatInfo kInfo{
      "NVFP4", "gguf", "4.5",
      "blocks of 64 weights: 4 unsigned E4M3 scales of 16, E2M1 nibbles; scale F32 [1] beside it"};
  static constexpr DType kType = DType::NVFP4;
  static constexpr int kElements = 64;

  struct Block {
    uint8_t d[4];
    uint8_t qs[32];
  };
  static_assert(sizeof(Block) == 36);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    for (int group = 0; group < 4; ++group) {
      const uint8_t code = block.d[group];
      const float d = code == 0x7F ? 0 : 0.5f * minifloat<4, 3>(code & 0x7F);
      const uint8_t* q = block.qs + 8 * group;
      for (int i = 0; i < 8; ++i) {
        y[16 * group + i] = d * kTwiceE2m1[q[i] & 15];
        y[16 * group + i + 8] = d * kTwiceE2m1[q[i] >> 4];
      }
    }
  }
};

}  // namespace assay::gguf

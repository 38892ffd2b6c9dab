#pragma once
#include "formats/gguf/block.h"
#include "formats/gguf/nibbles.h"

namespace assay::gguf {

//   e   E8M0     y[i] = 2^(e - 128) * 2 E2M1(n); 255 is no special code
//   qs  u8[16]   n of element i in the low nibble of byte i, of element i + 16 in the high one
struct MXFP4 {
  static constexpr FormatInfo kInfo{"MXFP4", "gguf", "4.25", "blocks of 32 weights: E8M0 scale, E2M1 nibbles"};
  static constexpr DType kType = DType::MXFP4;
  static constexpr int kElements = 32;

  struct Block {
    uint8_t e;
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 17);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    // 2^(e - 128), subnormal for the two lowest codes.
    const uint32_t bits = block.e < 2 ? 0x00200000u << block.e : static_cast<uint32_t>(block.e - 1) << 23;
    const float d = float_of_bits(bits);
    for (int i = 0; i < 16; ++i) {
      y[i] = d * kTwiceE2m1[block.qs[i] & 15];
      y[i + 16] = d * kTwiceE2m1[block.qs[i] >> 4];
    }
  }
};

}  // namespace assay::gguf

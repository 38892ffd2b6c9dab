#pragma once
#include "formats/gguf/bits.h"
#include "formats/gguf/block.h"

namespace assay::gguf {

//   d, m  f16      y[i] = d * n + m
//   qh    u8[4]    bit i is the fifth bit of n of element i
//   qs    u8[16]   its low four bits: of element i in the low nibble of byte i, of element i + 16 in the high one
struct Q5_1 {
  static constexpr FormatInfo kInfo{"Q5_1", "gguf", "6",
                                    "blocks of 32 weights: f16 scale and offset, fifth bits, nibbles"};
  static constexpr DType kType = DType::Q5_1;
  static constexpr int kElements = 32;

  struct Block {
    uint16_t d, m;
    uint8_t qh[4];
    uint8_t qs[16];
  };
  static_assert(sizeof(Block) == 24);

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d), m = float_of_f16(block.m);
    uint8_t q[32];
    fifth_bits(block.qh, block.qs, q);
    for (int i = 0; i < 32; ++i) y[i] = d * static_cast<float>(q[i]) + m;
  }
};

}  // namespace assay::gguf

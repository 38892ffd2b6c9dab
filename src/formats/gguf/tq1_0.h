#pragma once
#include "formats/gguf/block.h"

namespace assay::gguf {

//   qs  u8[48], qh u8[4]   a byte x holds digits t = ((x * 3^n mod 256) * 3) / 256: the fraction x / 256 in base 3.
//                          digit n of qs[l], l < 32: element 32 n + l; of qs[32 + l], l < 16: element 160 + 16 n + l;
//                          of qh[l], n < 4: element 240 + 4 n + l
//   d   f16                y[i] = d * (t - 1)
struct TQ1_0 {
  static constexpr FormatInfo kInfo{"TQ1_0", "gguf", "1.6875",
                                    "blocks of 256 weights: five base-3 digits a byte, f16 scale"};
  static constexpr DType kType = DType::TQ1_0;
  static constexpr int kElements = 256;

  struct Block {
    uint8_t qs[48];
    uint8_t qh[4];
    uint16_t d;
  };
  static_assert(sizeof(Block) == 54);

  template <int kBytes, int kDigits>
  ASSAY_HD static ASSAY_INLINE void digits(const uint8_t* bytes, float d, float* y) {
    uint8_t rest[kBytes];
    for (int i = 0; i < kBytes; ++i) rest[i] = bytes[i];
    for (int n = 0; n < kDigits; ++n) {
      for (int i = 0; i < kBytes; ++i) {
        y[kBytes * n + i] = d * static_cast<float>((rest[i] * 3 >> 8) - 1);
        rest[i] = static_cast<uint8_t>(rest[i] * 3);
      }
    }
  }

  ASSAY_HD static ASSAY_INLINE void decode(const Block& block, float* y) {
    const float d = float_of_f16(block.d);
    digits<32, 5>(block.qs, d, y);
    digits<16, 5>(block.qs + 32, d, y + 160);
    digits<4, 4>(block.qh, d, y + 240);
  }
};

}  // namespace assay::gguf

#pragma once
#include <cstdint>
#include <cstring>

#include "formats/shared/minifloat.h"

namespace assay {

/// E2M1 codes, two a byte, the even column in the low nibble. `count` is even.
ASSAY_HD inline void unpack_e2m1(const uint8_t* codes, int64_t count, float* out) {
  for (int64_t i = 0; i < count / 2; ++i) {
#ifdef __CUDA_ARCH__
    out[2 * i] = float_of_e2m1(codes[i] & 15);
    out[2 * i + 1] = float_of_e2m1(codes[i] >> 4);
#else
    std::memcpy(out + 2 * i, &tables::kE2m1Pairs[codes[i]], sizeof(tables::Pair));
#endif
  }
}

ASSAY_HD inline void unpack_e4m3(const uint8_t* codes, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) {
#ifdef __CUDA_ARCH__
    out[i] = float_of_e4m3(codes[i]);
#else
    out[i] = tables::kE4m3[codes[i]];
#endif
  }
}

/// The values of both nibbles of every byte under a table of 16.
struct NibblePairs {
  struct Pair {
    float high, low;
  };
  Pair of[256];

  explicit NibblePairs(const float* values) {
    for (int byte = 0; byte < 256; ++byte) of[byte] = {values[byte >> 4], values[byte & 15]};
  }
};

/// `count` codes, two a byte, the first in the high nibble, from code `skip` (0 or 1) of the first byte on.
inline void unpack_high_nibble_first(const uint8_t* codes, int64_t skip, int64_t count, const NibblePairs& pairs,
                                     float* out) {
  if (skip == 1 && count > 0) {
    *out++ = pairs.of[*codes++].low;
    --count;
  }
  for (int64_t i = 0; i < count / 2; ++i) std::memcpy(out + 2 * i, &pairs.of[codes[i]], sizeof(NibblePairs::Pair));
  if (count % 2 == 1) out[count - 1] = pairs.of[codes[count / 2]].high;
}

}  // namespace assay

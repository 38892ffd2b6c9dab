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

}  // namespace assay

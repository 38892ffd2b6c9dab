#pragma once
#include <cstdint>

#include "base/clones.h"
#include "formats/shared/host_device.h"

namespace assay::gguf {

// Twelve bytes of Q4_K and Q5_K with a 6-bit scale S and minimum M for each of 8 groups of 32 weights:
//   bytes 0..3   S of group b      in the low 6 bits; upper two bits of S of group b + 4 on top
//   bytes 4..7   M of group b - 4  in the low 6 bits; upper two bits of M of group b on top
//   bytes 8..11  lower four bits of S of group b - 4, then of its M
ASSAY_HD ASSAY_INLINE float scale_of(const uint8_t* scales, int group) {
  if (group < 4) return static_cast<float>(scales[group] & 63);
  return static_cast<float>((scales[group + 4] & 15) | scales[group - 4] >> 6 << 4);
}
ASSAY_HD ASSAY_INLINE float min_of(const uint8_t* scales, int group) {
  if (group < 4) return static_cast<float>(scales[group + 4] & 63);
  return static_cast<float>(scales[group + 4] >> 4 | scales[group] >> 6 << 4);
}

}  // namespace assay::gguf

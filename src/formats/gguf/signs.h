#pragma once
#include <array>
#include <bit>
#include <cstdint>

#include "formats/shared/host_device.h"

namespace assay::gguf {

struct Signs {
  float values[8];
};

/// -1 where a bit is set, else 1; the lowest bit first.
inline constexpr std::array<Signs, 256> kSigns = [] {
  std::array<Signs, 256> table{};
  for (int byte = 0; byte < 256; ++byte) {
    for (int k = 0; k < 8; ++k) table[byte].values[k] = byte >> k & 1 ? -1.0f : 1.0f;
  }
  return table;
}();

/// Seven stored sign bits and the eighth, which makes their number even.
ASSAY_HD constexpr uint32_t even_signs(uint32_t stored) {
  return stored | static_cast<uint32_t>(std::popcount(stored) & 1) << 7;
}

}  // namespace assay::gguf

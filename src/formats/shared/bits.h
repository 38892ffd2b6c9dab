#pragma once
#include <string.h>

#include <cstdint>

#include "formats/shared/host_device.h"

namespace assay {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return a / b + (a % b != 0);
}

/// Field `index` of a stream of `bits`-bit fields, the first in the lowest bits of the first little-endian word. Fields
/// may straddle words.
ASSAY_HD inline uint32_t stream_field(const uint32_t* words, int64_t index, int bits, int64_t stride = 1) {
  const int64_t bit = index * bits;
  const int shift = static_cast<int>(bit % 32);
  uint64_t window = words[bit / 32 * stride];
  if (shift + bits > 32) window |= static_cast<uint64_t>(words[(bit / 32 + 1) * stride]) << 32;
  return static_cast<uint32_t>(window >> shift) & ((1u << bits) - 1);
}

/// The same where each word holds only whole fields and leaves its top bits unused.
ASSAY_HD inline uint32_t word_field(const uint32_t* words, int64_t index, int bits, int64_t stride = 1) {
  const int per_word = 32 / bits;
  return words[index / per_word * stride] >> (index % per_word * bits) & ((1u << bits) - 1);
}

/// A row of such a stream as floats less `offset`. Eight fields, whatever their width up to 8 bits, are whole bytes.
template <int kBits>
ASSAY_HD inline void unpack_stream(const uint32_t* words, int64_t count, float offset, float* out) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(words);
  int64_t i = 0;
  for (; i + 8 <= count; i += 8, bytes += kBits) {
    uint64_t window = 0;
    memcpy(&window, bytes, kBits);
    for (int k = 0; k < 8; ++k) {
      out[i + k] = static_cast<float>(static_cast<int>(window >> (k * kBits) & ((1u << kBits) - 1))) - offset;
    }
  }
  for (; i < count; ++i) out[i] = static_cast<float>(static_cast<int>(stream_field(words, i, kBits))) - offset;
}

template <int kBits>
ASSAY_HD inline void unpack_words(const uint32_t* words, int64_t count, float offset, float* out) {
  constexpr int kPerWord = 32 / kBits;
  for (int64_t i = 0; i < count; i += kPerWord) {
    const uint32_t word = words[i / kPerWord];
    const int fields = count - i < kPerWord ? static_cast<int>(count - i) : kPerWord;
    for (int k = 0; k < fields; ++k) {
      out[i + k] = static_cast<float>(static_cast<int>(word >> (k * kBits) & ((1u << kBits) - 1))) - offset;
    }
  }
}

}  // namespace assay

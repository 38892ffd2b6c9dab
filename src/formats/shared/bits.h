#pragma once
#include <string.h>

#include <array>
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

/// What a field of `bits` bits means to formats of signed numbers.
ASSAY_HD constexpr float signed_field(uint32_t field, int bits) {
  return static_cast<float>(static_cast<int>(field) - (1 << (bits - 1)));
}

/// Fields of a window as numbers, a few at a time.
template <int kBits>
struct SignedFields {
  static constexpr int kAtOnce = kBits <= 2 ? 4 : kBits <= 5 ? 2 : 1;
  static constexpr uint32_t kMask = (1u << kBits * kAtOnce) - 1;

  struct Entry {
    float values[kAtOnce];
  };
  ASSAY_HD static constexpr Entry entry(uint32_t fields) {
    Entry entry{};
    for (int k = 0; k < kAtOnce; ++k) entry.values[k] = signed_field(fields >> k * kBits & ((1u << kBits) - 1), kBits);
    return entry;
  }
  static constexpr auto kTable = [] {
    std::array<Entry, kMask + 1> table{};
    for (uint32_t fields = 0; fields <= kMask; ++fields) table[fields] = entry(fields);
    return table;
  }();

  /// The lowest kAtOnce fields.
  ASSAY_HD static void get(uint64_t window, float* out) {
    const auto fields = static_cast<uint32_t>(window) & kMask;
#ifdef __CUDA_ARCH__
    const Entry found = entry(fields);
#else
    const Entry& found = kTable[fields];
#endif
    memcpy(out, &found, sizeof found);
  }
};

/// A row of `count` fields of a stream, `words` long, as signed numbers.
template <int kBits>
ASSAY_HD inline void unpack_stream(const uint32_t* words, int64_t length, int64_t count, float* out) {
  using Fields = SignedFields<kBits>;
  // Eight fields, whatever their width up to 8 bits, are whole bytes; 64 bits hold them.
  const auto* bytes = reinterpret_cast<const unsigned char*>(words);
  const unsigned char* last = bytes + 4 * length - 8;
  int64_t i = 0;
  for (; i + 8 <= count && bytes <= last; i += 8, bytes += kBits) {
    uint64_t window;
    memcpy(&window, bytes, sizeof window);
    for (int k = 0; k < 8; k += Fields::kAtOnce) Fields::get(window >> k * kBits, out + i + k);
  }
  for (; i < count; ++i) out[i] = signed_field(stream_field(words, i, kBits), kBits);
}

/// The same of whole fields in each word.
template <int kBits>
ASSAY_HD inline void unpack_words(const uint32_t* words, int64_t, int64_t count, float* out) {
  using Fields = SignedFields<kBits>;
  constexpr int kPerWord = 32 / kBits;
  int64_t i = 0;
  for (; i + kPerWord <= count; i += kPerWord) {
    const uint32_t word = *words++;
    for (int k = 0; k < kPerWord; k += Fields::kAtOnce) Fields::get(word >> k * kBits, out + i + k);
  }
  for (int k = 0; i + k < count; ++k) out[i + k] = signed_field(word_field(words, k, kBits), kBits);
}

}  // namespace assay

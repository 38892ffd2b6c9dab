#include "formats/shared/chunked_codes.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/error.h"

namespace assay {

namespace {

constexpr int64_t kBuffer = 1 << 14;  // words

void unpack(const uint32_t* words, int64_t count, int shift, uint32_t mask, const float*, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(static_cast<int32_t>(words[i] >> shift & mask));
}

void unpack(const uint8_t* words, int64_t count, int shift, uint32_t mask, const float* values, float* out) {
  std::array<float, 256> table;
  for (uint32_t word = 0; word < table.size(); ++word) {
    const uint32_t code = word >> shift & mask;
    table[word] = values ? values[code] : static_cast<float>(code);
  }
  for (int64_t i = 0; i < count; ++i) out[i] = table[words[i]];
}

template <class Word>
void read_codes(const ChunkedCodes& codes, const Checkpoint& checkpoint, int64_t begin, int64_t end,
                const float* values, float* out) {
  std::array<Word, kBuffer> buffer;
  const uint32_t mask = (1u << codes.bits) - 1;
  for (int64_t n = begin; n < end;) {
    const int64_t chunk = n / codes.length, at = n % codes.length;
    const int64_t count = std::min({kBuffer, end - n, codes.length - at});
    checkpoint.read(*codes.words, at * sizeof(Word), std::as_writable_bytes(std::span(buffer).first(count)));
    const int64_t place = codes.first == ChunkedCodes::First::lowest ? chunk : codes.chunks - 1 - chunk;
    unpack(buffer.data(), count, static_cast<int>(place) * codes.bits, mask, values, out + (n - begin));
    n += count;
  }
}

}  // namespace

void ChunkedCodes::read(const Checkpoint& checkpoint, int64_t begin, int64_t end, float* out,
                        const float* values) const {
  ASSAY_CHECK(0 <= begin && begin <= end && end <= length * chunks && bits * chunks <= 8 * word_bytes);
  ASSAY_CHECK(word_bytes == 1 || !values);
  if (word_bytes == 4) return read_codes<uint32_t>(*this, checkpoint, begin, end, values, out);
  read_codes<uint8_t>(*this, checkpoint, begin, end, values, out);
}

}  // namespace assay

#pragma once
#include <cstdint>

#include "formats/format.h"

namespace assay {

/// A sequence of codes cut into equal chunks that lie over each other in the bits of words:
///
///   code n is in word n % length, in the field of chunk n / length
///
/// The last chunk may be padded. How HQQ, quanto and BitNet pack: the sequence is the weight, row by row.
struct ChunkedCodes {
  enum class First : uint8_t { lowest, highest };

  const StoredTensor* words = nullptr;
  int64_t length = 0;  // words
  int word_bytes = 1;  // or 4
  int bits = 8;
  int chunks = 1;
  First first = First::lowest;  // where the first chunk is

  /// Codes [begin, end), or what `values` says they mean: one for each code, of byte words only.
  void read(const Checkpoint& checkpoint, int64_t begin, int64_t end, float* out, const float* values = nullptr) const;
};

}  // namespace assay

#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokens/tokenizer_json/pieces.h"
#include "tokens/tokenizer_json/vocabulary.h"

namespace assay::text {

/// Which neighbours byte-pair encoding joins, and how early.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank;
    int32_t product;  // -1: this pair never joins
  };

  MergeTable() : slots_(16) {}
  /// A later entry for the same pair replaces the earlier one.
  void set(int32_t left, int32_t right, Merge merge);
  Merge find(int32_t left, int32_t right) const;
  void reserve(size_t count);

  /// Joins neighbours in `symbols` until no pair is left: lowest rank first, leftmost among equals.
  void apply(std::vector<int32_t>& symbols) const;

 private:
  struct Slot {
    uint64_t key = kFree;
    Merge merge{0, -1};
  };
  static constexpr uint64_t kFree = ~uint64_t{0};
  static uint64_t key_of(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t key) const;

  std::vector<Slot> slots_;  // open addressing, at most half full
  size_t count_ = 0;
};

/// Between which characters a text may be cut before byte-pair encoding without changing any id: merges can only join
/// characters that stand side by side inside some piece of the vocabulary, and both are pieces themselves.
class SafeCuts {
 public:
  explicit SafeCuts(const Vocabulary& vocab);
  void refine(const Vocabulary& vocab, Pieces& pieces) const;

 private:
  static size_t bit_of(char32_t left, char32_t right);

  // Hashed set of pairs: a false "side by side" only costs a cut.
  std::vector<bool> side_by_side_;
};

}  // namespace assay::text

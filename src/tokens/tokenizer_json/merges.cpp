#include "tokens/tokenizer_json/merges.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

size_t MergeTable::slot_of(uint64_t key) const {
  const uint64_t mixed = (key ^ key >> 32) * 0x9e3779b97f4a7c15u;
  size_t slot = (mixed ^ mixed >> 32) & (slots_.size() - 1);
  while (slots_[slot].key != key && slots_[slot].key != kFree) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void MergeTable::reserve(size_t count) {
  if (2 * count <= slots_.size()) return;
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::bit_ceil(2 * count)));
  for (const Slot& slot : old) {
    if (slot.key != kFree) slots_[slot_of(slot.key)] = slot;
  }
}

void MergeTable::set(int32_t left, int32_t right, Merge merge) {
  reserve(count_ + 1);
  const uint64_t key = key_of(left, right);
  Slot& slot = slots_[slot_of(key)];
  if (slot.key == kFree) ++count_;
  slot = {key, merge};
}

MergeTable::Merge MergeTable::find(int32_t left, int32_t right) const {
  return slots_[slot_of(key_of(left, right))].merge;
}

namespace {

struct Symbol {
  int32_t id;              // -1: joined to its left neighbour
  uint32_t before, after;  // neighbours; kEnd: none
};
constexpr uint32_t kEnd = UINT32_MAX;

struct Candidate {
  uint32_t rank, at;  // `at`: the left symbol
  int32_t left, right, product;
  bool operator<(const Candidate& other) const {  // the heap keeps the greatest on top
    return rank != other.rank ? rank > other.rank : at > other.at;
  }
};

}  // namespace

void MergeTable::apply(std::vector<int32_t>& ids) const {
  if (ids.size() < 2) return;
  if (ids.size() >= kEnd)
    fail("a text of {} characters without a place to cut is too long for byte-pair encoding", ids.size());
  std::vector<Symbol> symbols(ids.size());
  std::vector<Candidate> heap;
  const auto candidate = [&](uint32_t at, uint32_t next) {
    const Merge merge = find(symbols[at].id, symbols[next].id);
    if (merge.product >= 0) heap.push_back({merge.rank, at, symbols[at].id, symbols[next].id, merge.product});
    return merge.product >= 0;
  };
  const auto count = static_cast<uint32_t>(ids.size());
  for (uint32_t i = 0; i < count; ++i) symbols[i] = {ids[i], i == 0 ? kEnd : i - 1, i + 1 == count ? kEnd : i + 1};
  for (uint32_t i = 0; i + 1 < count; ++i) candidate(i, i + 1);
  std::make_heap(heap.begin(), heap.end());

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate best = heap.back();
    heap.pop_back();
    Symbol& left = symbols[best.at];
    if (left.id != best.left || left.after == kEnd || symbols[left.after].id != best.right) continue;
    Symbol& right = symbols[left.after];
    left.id = best.product;
    right.id = -1;
    left.after = right.after;
    if (left.after != kEnd) {
      symbols[left.after].before = best.at;
      if (candidate(best.at, left.after)) std::push_heap(heap.begin(), heap.end());
    }
    if (left.before != kEnd && candidate(left.before, best.at)) std::push_heap(heap.begin(), heap.end());
  }

  ids.clear();
  for (uint32_t at = 0; at != kEnd; at = symbols[at].after) ids.push_back(symbols[at].id);
}

namespace {

constexpr size_t kPairBits = 20;
constexpr size_t kLongPiece = 64;  // bytes; shorter pieces are not worth cutting

}  // namespace

size_t SafeCuts::bit_of(char32_t left, char32_t right) {
  return (uint64_t{left} << 32 | right) * 0x9e3779b97f4a7c15u >> (64 - kPairBits);
}

SafeCuts::SafeCuts(const Vocabulary& vocab) : side_by_side_(size_t{1} << kPairBits) {
  vocab.for_each([this](std::string_view piece, int32_t) {
    if (piece.empty()) return;
    size_t at = 0;
    char32_t before = next_char(piece, at);
    while (at < piece.size()) {
      const char32_t code = next_char(piece, at);
      side_by_side_[bit_of(before, code)] = true;
      before = code;
    }
  });
}

void SafeCuts::refine(const Vocabulary& vocab, Pieces& pieces) const {
  const std::string_view text = pieces.text;
  std::vector<Piece> list;
  for (const Piece& piece : pieces.list) {
    if (piece.token != kText || piece.end - piece.begin < kLongPiece) {
      list.push_back(piece);
      continue;
    }
    size_t begin = piece.begin, last = piece.begin, at = piece.begin;
    char32_t before = next_char(text, at);
    while (at < piece.end) {
      const size_t here = at;
      const char32_t code = next_char(text, at);
      if (!side_by_side_[bit_of(before, code)] && vocab.find(text.substr(last, here - last)) >= 0 &&
          vocab.find(text.substr(here, at - here)) >= 0) {
        list.push_back({begin, here});
        begin = here;
      }
      last = here;
      before = code;
    }
    list.push_back({begin, piece.end});
  }
  pieces.list = std::move(list);
}

}  // namespace assay::text

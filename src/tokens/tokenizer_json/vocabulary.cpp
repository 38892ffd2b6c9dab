#include "tokens/tokenizer_json/vocabulary.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/error.h"

namespace assay::text {

namespace {

uint32_t hash_of(std::string_view piece) {
  const uint64_t hash = std::hash<std::string_view>()(piece);
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

}  // namespace

Vocabulary::Vocabulary() : slots_(16) {}

/// The slot that holds the piece, or the free one where it belongs.
size_t Vocabulary::slot_of(std::string_view piece, uint32_t hash) const {
  size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot].entry != 0 && (slots_[slot].hash != hash || view(entries_[slots_[slot].entry - 1]) != piece)) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

bool Vocabulary::insert(std::string_view piece, int32_t id) {
  if (2 * (entries_.size() + 1) > slots_.size()) grow();
  const uint32_t hash = hash_of(piece);
  const size_t slot = slot_of(piece, hash);
  if (slots_[slot].entry != 0) return false;
  if (text_.size() + piece.size() > UINT32_MAX) fail("vocabulary of more than 4 GiB of text");
  entries_.push_back({static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(piece.size()), id});
  text_ += piece;
  slots_[slot] = {hash, static_cast<uint32_t>(entries_.size())};
  return true;
}

void Vocabulary::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  for (const Slot& taken : old) {
    if (taken.entry == 0) continue;
    size_t slot = taken.hash & (slots_.size() - 1);
    while (slots_[slot].entry != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = taken;
  }
}

void Vocabulary::index_ids(const std::string& where) {
  by_id_.resize(entries_.size());
  for (size_t i = 0; i < by_id_.size(); ++i) by_id_[i] = static_cast<uint32_t>(i);
  const auto id = [this](uint32_t entry) { return entries_[entry].id; };
  const auto less = [&](uint32_t a, uint32_t b) { return id(a) < id(b); };
  if (!std::is_sorted(by_id_.begin(), by_id_.end(), less)) std::sort(by_id_.begin(), by_id_.end(), less);
  for (size_t i = 1; i < by_id_.size(); ++i) {
    const uint32_t a = by_id_[i - 1], b = by_id_[i];
    if (id(a) == id(b)) {
      fail("{}: id {} belongs to two pieces, \"{}\" and \"{}\"", where, id(a), view(entries_[a]), view(entries_[b]));
    }
  }
}

int32_t Vocabulary::find(std::string_view piece) const {
  const Slot& slot = slots_[slot_of(piece, hash_of(piece))];
  return slot.entry != 0 ? entries_[slot.entry - 1].id : -1;
}

const Vocabulary::Entry* Vocabulary::entry_of(int32_t id) const {
  if (id < 0) return nullptr;
  const auto at_own_place = static_cast<size_t>(id);  // the usual case: ids are 0, 1, 2, ...
  if (at_own_place < by_id_.size() && entries_[by_id_[at_own_place]].id == id) return &entries_[by_id_[at_own_place]];
  const auto found = std::lower_bound(by_id_.begin(), by_id_.end(), id,
                                      [this](uint32_t entry, int32_t value) { return entries_[entry].id < value; });
  return found != by_id_.end() && entries_[*found].id == id ? &entries_[*found] : nullptr;
}

std::string_view Vocabulary::piece(int32_t id) const {
  const Entry* entry = entry_of(id);
  return entry ? view(*entry) : std::string_view();
}

int64_t Vocabulary::id_limit() const {
  return by_id_.empty() ? 0 : int64_t{entries_[by_id_.back()].id} + 1;
}

}  // namespace assay::text

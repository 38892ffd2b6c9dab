#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::text {

/// Pieces of text and their ids, both ways.
class Vocabulary {
 public:
  Vocabulary();

  /// False, and nothing changes, when the piece is already there.
  bool insert(std::string_view piece, int32_t id);
  /// Call once after the last insert. Error, beginning with `where`, when two pieces share an id.
  void index_ids(const std::string& where);

  /// The id, or -1.
  int32_t find(std::string_view piece) const;
  bool has_id(int32_t id) const { return entry_of(id) != nullptr; }
  /// Empty when no piece has this id.
  std::string_view piece(int32_t id) const;
  size_t size() const { return entries_.size(); }
  /// One more than the highest id.
  int64_t id_limit() const;

  template <class Visit>
  void for_each(Visit visit) const {
    for (const Entry& entry : entries_) visit(view(entry), entry.id);
  }

 private:
  struct Entry {
    uint32_t begin, length;  // in text_
    int32_t id;
  };
  struct Slot {
    uint32_t hash = 0, entry = 0;  // entry: index + 1; 0: free
  };
  std::string_view view(const Entry& entry) const { return std::string_view(text_).substr(entry.begin, entry.length); }
  const Entry* entry_of(int32_t id) const;
  size_t slot_of(std::string_view piece, uint32_t hash) const;
  void grow();

  std::string text_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;      // open addressing, at most half full
  std::vector<uint32_t> by_id_;  // entries in order of id
};

}  // namespace assay::text

#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace assay::text {

/// Byte strings with values; answers which of them begin a text.
class ByteTrie {
 public:
  ByteTrie();

  /// False, and nothing changes, when the key is empty or already there. Values are 0 or more.
  bool insert(std::string_view key, int32_t value);
  bool empty() const { return values_.size() == 1; }

  /// Calls visit(length, value) for every key that begins `text`, shortest first.
  template <class Visit>
  void prefixes(std::string_view text, Visit visit) const {
    if (text.empty()) return;
    uint32_t node = roots_[static_cast<uint8_t>(text[0])];
    for (size_t length = 1; node != 0; ++length) {
      if (values_[node] >= 0) visit(length, values_[node]);
      if (length == text.size()) return;
      node = child(node, static_cast<uint8_t>(text[length]));
    }
  }

  /// How many bytes of the text some key begins with.
  size_t depth(std::string_view text) const {
    size_t length = 0;
    uint32_t node = text.empty() ? 0 : roots_[static_cast<uint8_t>(text[0])];
    while (node != 0) {
      ++length;
      node = length == text.size() ? 0 : child(node, static_cast<uint8_t>(text[length]));
    }
    return length;
  }

  struct Match {
    size_t length = 0;  // 0: none
    int32_t value = -1;
  };
  Match longest(std::string_view text) const {
    Match match;
    prefixes(text, [&](size_t length, int32_t value) { match = {length, value}; });
    return match;
  }

 private:
  struct Edge {
    uint64_t key = 0;  // parent << 8 | byte; 0: free, since the root's edges are in roots_
    uint32_t child = 0;
  };
  uint32_t child(uint32_t node, uint8_t byte) const {
    const uint64_t key = uint64_t{node} << 8 | byte;
    for (size_t slot = mix(key) & mask_;; slot = (slot + 1) & mask_) {
      if (edges_[slot].key == key) return edges_[slot].child;
      if (edges_[slot].key == 0) return 0;
    }
  }
  static uint64_t mix(uint64_t key) {
    key *= 0x9e3779b97f4a7c15u;
    return key ^ key >> 32;
  }
  uint32_t add_child(uint32_t node, uint8_t byte);
  void grow();

  std::array<uint32_t, 256> roots_{};
  std::vector<int32_t> values_;  // by node; -1: no key ends here
  std::vector<Edge> edges_;      // open addressing, at most half full
  size_t mask_ = 0;
};

}  // namespace assay::text

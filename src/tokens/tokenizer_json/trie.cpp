#include "tokens/tokenizer_json/trie.h"

#include <utility>

namespace assay::text {

ByteTrie::ByteTrie() : values_(1, -1), edges_(16), mask_(15) {}

bool ByteTrie::insert(std::string_view key, int32_t value) {
  if (key.empty()) return false;
  uint32_t node = 0;
  for (const char c : key) {
    const auto byte = static_cast<uint8_t>(c);
    const uint32_t next = node == 0 ? roots_[byte] : child(node, byte);
    node = next != 0 ? next : add_child(node, byte);
  }
  if (values_[node] >= 0) return false;
  values_[node] = value;
  return true;
}

uint32_t ByteTrie::add_child(uint32_t node, uint8_t byte) {
  const auto added = static_cast<uint32_t>(values_.size());
  values_.push_back(-1);
  if (node == 0) return roots_[byte] = added;
  if (2 * values_.size() > edges_.size()) grow();
  const uint64_t key = uint64_t{node} << 8 | byte;
  size_t slot = mix(key) & mask_;
  while (edges_[slot].key != 0) slot = (slot + 1) & mask_;
  edges_[slot] = {key, added};
  return added;
}

void ByteTrie::grow() {
  std::vector<Edge> old = std::exchange(edges_, std::vector<Edge>(4 * edges_.size()));
  mask_ = edges_.size() - 1;
  for (const Edge& edge : old) {
    if (edge.key == 0) continue;
    size_t slot = mix(edge.key) & mask_;
    while (edges_[slot].key != 0) slot = (slot + 1) & mask_;
    edges_[slot] = edge;
  }
}

}  // namespace assay::text

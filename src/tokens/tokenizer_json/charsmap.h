#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::text {

/// SentencePiece's compiled character map: a double-array trie from text to replacement.
/// Layout: u32 size of the trie in bytes; trie units (u32); replacements, each ended by a zero byte.
class CharsMap {
 public:
  CharsMap(std::string_view blob, std::string where);

  struct Match {
    size_t length = 0;  // bytes of the key; 0: no key begins the text
    std::string_view replacement;
  };
  Match shortest(std::string_view text) const { return find(text, 1); }
  /// The longest of the first 32, which is how many SentencePiece looks at.
  Match longest(std::string_view text) const { return find(text, 32); }

 private:
  Match find(std::string_view text, size_t max_matches) const;
  uint32_t unit(uint32_t at) const;

  std::vector<uint32_t> trie_;
  std::string replacements_;
  std::string where_;
};

/// Error when the text is not base64.
std::string decode_base64(std::string_view text, const std::string& where);

}  // namespace assay::text

#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "tokens/gguf_vocabulary.h"
#include "tokens/tokenizer_json/pieces.h"
#include "tokens/tokenizer_json/trie.h"

namespace assay::text {

/// The tokens of a vocabulary that are found in the text before anything else. Unlike the tokenizers library, llama.cpp
/// looks for the longest of them first, in the whole text, then for the next.
class GgufSpecialTokens {
 public:
  /// By their types, and some by their spelling, as llama.cpp does.
  GgufSpecialTokens(const GgufVocabulary& vocabulary, bool strip_before_mask);

  /// The text in pieces. With `parse_special` false, only user-defined tokens are found.
  std::vector<Piece> cut(std::string_view text, bool parse_special) const;

  /// Found in text; of these, control tokens only when asked for.
  bool is_special(int32_t id) const { return tokens_by_id_[id].special; }
  bool is_control(int32_t id) const { return tokens_by_id_[id].control; }

 private:
  struct Token {
    bool special = false;  // found in text at all
    bool control = false;  // only with parse_special
    bool lstrip = false, rstrip = false;
  };

  struct Found {
    size_t begin, end;
    int32_t id;  // -1: none
    size_t size() const { return end - begin; }
  };
  /// The longest token that begins at `at` and has at most `limit` bytes.
  Found longest(std::string_view text, size_t at, size_t limit, bool parse_special) const;

  std::vector<Token> tokens_by_id_;
  ByteTrie trie_;
};

}  // namespace assay::text

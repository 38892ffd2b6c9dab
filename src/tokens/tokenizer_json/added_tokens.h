#pragma once
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/json.h"
#include "tokens/tokenizer_json/normalizers.h"
#include "tokens/tokenizer_json/pieces.h"
#include "tokens/tokenizer_json/trie.h"
#include "tokens/tokenizer_json/vocabulary.h"

namespace assay::text {

/// The "added_tokens" section: tokens that are found in the text before the model sees it.
class AddedTokens {
 public:
  /// `section` may be null. Appends to `notes` where the ids in the file are not the ones in force.
  AddedTokens(const Json* section, const std::string& where, const Vocabulary& vocab, const Normalizers& normalizers,
              std::vector<std::string>& notes);

  /// Cuts the tokens out of the text and normalizes what is between them. With `parse_special` false, special tokens
  /// stay text.
  Pieces cut(std::string_view text, const Normalizers& normalizers, bool parse_special) const;

  std::optional<int32_t> find(const std::string& content) const;
  /// As the file spells it; null when no token has this id.
  const std::string* content(int32_t id) const;
  /// What the token decodes to: its spelling after normalization if it is found there. Null when no token has this id.
  const std::string* decoded(int32_t id) const;
  bool is_special(const std::string& content) const { return special_.contains(content); }
  /// One more than the highest id.
  int64_t id_limit() const { return id_limit_; }

 private:
  struct Token {
    int32_t id;
    std::string content, decoded;
    bool single_word, lstrip, rstrip, normalized;
  };
  struct Found {
    Span span;
    int32_t id;  // kText: a gap
  };
  void add(const JsonObject& entry, const Vocabulary& vocab, std::vector<std::string>& notes);
  std::vector<Found> find_all(std::string_view text, const ByteTrie& trie, bool parse_special) const;

  std::vector<Token> tokens_;
  std::unordered_map<std::string, size_t> by_content_;  // index in tokens_
  std::unordered_map<int32_t, size_t> by_id_;
  std::unordered_set<std::string> special_;
  int64_t id_limit_ = 0, next_id_ = 0;
  ByteTrie raw_, normalized_;  // values: index in tokens_
};

}  // namespace assay::text

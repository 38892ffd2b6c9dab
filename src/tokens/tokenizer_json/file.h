#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "tokens/tokenizer_json/vocabulary.h"

namespace assay::text {

/// Pairs of pieces in order of rank.
class MergeList {
 public:
  void push(std::string_view left, std::string_view right);
  size_t size() const { return ends_.size() / 2; }
  std::pair<std::string_view, std::string_view> operator[](size_t rank) const;

 private:
  std::string text_;
  std::vector<uint32_t> ends_;  // of left and right, alternating
};

struct ScoredPiece {
  std::string piece;
  double score;
};

/// What a tokenizer.json holds. The two lists that make up nearly all of it (model.vocab, model.merges) never become
/// JSON values: 30 MB of them would take seconds.
struct TokenizerFile {
  std::string where;
  Vocabulary vocab;                 // model.vocab as an object; indexed by id
  std::vector<ScoredPiece> scored;  // model.vocab as a list
  MergeList merges;
  std::shared_ptr<const Json> rest;  // everything else
};

TokenizerFile parse_tokenizer_file(std::string_view text, const std::string& where);

}  // namespace assay::text

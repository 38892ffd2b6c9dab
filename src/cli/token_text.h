#pragma once
#include <memory>

#include "report/result.h"
#include "tokens/tokenizer.h"

namespace assay {

/// The words behind token ids, for reports. Without a tokenizer, ids stand for themselves: "#1234".
class TokenText {
 public:
  explicit TokenText(std::shared_ptr<const Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {}

  /// What `id` adds to the text when it follows the ids before `position`: decoders join words and bytes.
  std::string of(std::span<const int32_t> row, int64_t position, int32_t id) const;
  /// The token at `position` of a row between a few that stand beside it.
  TokenContext around(std::span<const int32_t> row, int64_t position) const;

 private:
  std::string decode(std::span<const int32_t> ids) const;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace assay

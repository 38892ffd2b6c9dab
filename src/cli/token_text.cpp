#include "cli/token_text.h"

#include <fmt/core.h>

#include <algorithm>

namespace assay {

namespace {

/// Ids that are decoded before the one in question: enough to complete any character and word.
constexpr int64_t kLead = 4;
constexpr int64_t kBefore = 24, kAfter = 8;

}  // namespace

std::string TokenText::decode(std::span<const int32_t> ids) const {
  if (tokenizer_) return tokenizer_->decode(ids, false);
  std::string text;
  for (const int32_t id : ids) text += fmt::format("#{} ", id);
  return text;
}

std::string TokenText::of(std::span<const int32_t> row, int64_t position, int32_t id) const {
  const int64_t first = std::max<int64_t>(0, position - kLead);
  std::vector<int32_t> ids(row.begin() + first, row.begin() + position);
  const std::string before = decode(ids);
  ids.push_back(id);
  const std::string both = decode(ids);
  return both.starts_with(before) ? both.substr(before.size()) : decode({&id, 1});
}

TokenContext TokenText::around(std::span<const int32_t> row, int64_t position) const {
  const int64_t first = std::max<int64_t>(0, position - kBefore);
  const auto last = std::min<int64_t>(std::ssize(row), position + 1 + kAfter);
  return {decode(row.subspan(first, position - first)), of(row, position, row[position]),
          decode(row.subspan(position + 1, last - position - 1))};
}

}  // namespace assay

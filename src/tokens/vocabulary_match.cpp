#include "tokens/vocabulary_match.h"

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace assay {

std::string vocabulary_note(const Tokenizer& used, std::span<const int32_t> ids, const std::filesystem::path& model) {
  std::unique_ptr<Tokenizer> own;
  try {
    if (!has_tokenizer(model)) return {};
    own = open_tokenizer(model);
  } catch (const Error& error) {
    return fmt::format("the model's own tokenizer cannot be compared with the one used: {}", error.what());
  }
  std::vector<int32_t> distinct(ids.begin(), ids.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  int64_t different = 0;
  int32_t example = -1;
  for (const int32_t id : distinct) {
    if (used.piece(id) == own->piece(id)) continue;
    if (different++ == 0) example = id;
  }
  if (different == 0) return {};
  return fmt::format(
      "the model's own tokenizer has another vocabulary: of {} ids in the data, {} mean something else to it (id {} is "
      "\"{}\" in the data, \"{}\" in the model), so its perplexity says nothing about its weights",
      distinct.size(), different, example, used.piece(example), own->piece(example));
}

}  // namespace assay

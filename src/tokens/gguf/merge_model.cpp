#include "tokens/gguf/merge_model.h"

#include <optional>

#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/merges.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

class MergeModel final : public Model {
 public:
  MergeModel(Vocabulary vocab, const std::vector<std::string>& merges, const GgufPreTokenizer& how)
      : Model(std::move(vocab)),
        first_stranger_(static_cast<int32_t>(vocab_.id_limit())),
        ignore_merges_(how.ignore_merges),
        whole_newlines_(how.whole_newlines),
        raw_(how.raw) {
    add(merges);
    strangers_.index_ids("merges");
    if (!ignore_merges_ && strangers_.size() == 0) cuts_.emplace(vocab_);
  }

  void refine(Pieces& pieces) const override {
    if (cuts_) cuts_->refine(vocab_, pieces);
  }

  void encode(std::string_view piece, std::vector<int32_t>& ids) const override {
    if (ignore_merges_ || (whole_newlines_ && piece.find_first_not_of('\n') == std::string_view::npos)) {
      if (const int32_t id = vocab_.find(piece); id >= 0) return ids.push_back(id);
    }
    std::vector<int32_t> parts;
    for (size_t at = 0; at < piece.size();) {
      const size_t begin = at;
      next_char(piece, at);
      parts.push_back(find(piece.substr(begin, at - begin)));
    }
    merges_.apply(parts);
    size_t at = 0;
    for (const int32_t part : parts) {
      const size_t begin = at;
      if (part < 0) {
        next_char(piece, at);
      } else {
        at += (part < first_stranger_ ? vocab_ : strangers_).piece(part).size();
      }
      if (part >= 0 && part < first_stranger_) {
        ids.push_back(part);
      } else {
        append_bytes(piece.substr(begin, at - begin), ids);
      }
    }
  }

 private:
  void add(const std::vector<std::string>& merges) {
    merges_.reserve(merges.size());
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const std::string_view line = merges[rank];
      const size_t space = line.find(' ', 1);
      if (space == std::string_view::npos) continue;
      const int32_t left = find_or_add(line.substr(0, space)), right = find_or_add(line.substr(space + 1));
      if (merges_.find(left, right).product >= 0) continue;  // the first of equal lines counts
      const std::string product = std::string(line.substr(0, space)) + std::string(line.substr(space + 1));
      merges_.set(left, right, {static_cast<uint32_t>(rank), find_or_add(product)});
    }
  }

  int32_t find(std::string_view text) const {
    const int32_t id = vocab_.find(text);
    return id >= 0 ? id : strangers_.find(text);
  }
  int32_t find_or_add(std::string_view text) {
    if (const int32_t id = find(text); id >= 0) return id;
    const auto id = first_stranger_ + static_cast<int32_t>(strangers_.size());
    strangers_.insert(text, id);
    return id;
  }

  void append_bytes(std::string_view text, std::vector<int32_t>& ids) const {
    for (const char& byte : text) {
      const int32_t id =
          raw_ ? vocab_.find(byte_piece(static_cast<uint8_t>(byte))) : vocab_.find(std::string_view(&byte, 1));
      if (id >= 0) ids.push_back(id);
    }
  }

  int32_t first_stranger_;
  Vocabulary strangers_;  // texts that merges name and the vocabulary lacks; ids from first_stranger_ up
  MergeTable merges_;
  bool ignore_merges_, whole_newlines_, raw_;
  std::optional<SafeCuts> cuts_;
};

}  // namespace

std::unique_ptr<Model> make_gguf_merge_model(Vocabulary vocab, const std::vector<std::string>& merges,
                                             const GgufPreTokenizer& how) {
  return std::make_unique<MergeModel>(std::move(vocab), merges, how);
}

}  // namespace assay::text

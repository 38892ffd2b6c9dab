#include "tokens/tokenizer_json/word_models.h"

#include "base/error.h"
#include "tokens/tokenizer_json/trie.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

/// The unknown token of a model; needed only when an unknown word turns up.
class Unknown {
 public:
  Unknown(const JsonObject& model, const char* otherwise, const Vocabulary& vocab)
      : name_(model.string_or("unk_token", otherwise)), where_(model.where()), id_(vocab.find(name_)) {}

  int32_t stand_in(std::string_view word) const {
    if (id_ < 0) {
      fail("{}: word \"{}\" is not in the vocabulary, and neither is the unknown token \"{}\"", where_, word, name_);
    }
    return id_;
  }

 private:
  std::string name_, where_;
  int32_t id_;
};

class WordLevel final : public Model {
 public:
  WordLevel(Vocabulary vocab, Unknown unknown) : Model(std::move(vocab)), unknown_(std::move(unknown)) {}

  void encode(std::string_view piece, std::vector<int32_t>& ids) const override {
    const int32_t id = vocab_.find(piece);
    ids.push_back(id >= 0 ? id : unknown_.stand_in(piece));
  }

 private:
  Unknown unknown_;
};

class WordPiece final : public Model {
 public:
  WordPiece(Vocabulary vocab, Unknown unknown, std::string_view prefix, int64_t max_characters)
      : Model(std::move(vocab)), unknown_(std::move(unknown)), max_characters_(max_characters) {
    vocab_.for_each([&](std::string_view piece, int32_t id) {
      beginnings_.insert(piece, id);
      if (piece.starts_with(prefix)) continuations_.insert(piece.substr(prefix.size()), id);
    });
  }

  void encode(std::string_view piece, std::vector<int32_t>& ids) const override {
    int64_t characters = 0;
    for (size_t at = 0; at < piece.size(); ++characters) next_char(piece, at);
    const size_t before = ids.size();
    size_t at = 0;
    while (at < piece.size() && characters <= max_characters_) {
      const ByteTrie::Match match = (at == 0 ? beginnings_ : continuations_).longest(piece.substr(at));
      if (match.length == 0) break;
      ids.push_back(match.value);
      at += match.length;
    }
    if (at == piece.size()) return;
    ids.resize(before);
    ids.push_back(unknown_.stand_in(piece));
  }

 private:
  Unknown unknown_;
  int64_t max_characters_;
  ByteTrie beginnings_, continuations_;
};

}  // namespace

std::unique_ptr<Model> make_word_piece(const JsonObject& model, TokenizerFile& file) {
  Unknown unknown(model, "[UNK]", file.vocab);
  const std::string prefix = model.string_or("continuing_subword_prefix", "##");
  const int64_t max_characters = model.integer_or("max_input_chars_per_word", 100);
  return std::make_unique<WordPiece>(std::move(file.vocab), std::move(unknown), prefix, max_characters);
}

std::unique_ptr<Model> make_word_level(const JsonObject& model, TokenizerFile& file) {
  Unknown unknown(model, "<unk>", file.vocab);
  return std::make_unique<WordLevel>(std::move(file.vocab), std::move(unknown));
}

}  // namespace assay::text

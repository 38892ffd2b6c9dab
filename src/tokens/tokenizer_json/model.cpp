#include "tokens/tokenizer_json/model.h"

#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokens/tokenizer_json/bpe.h"
#include "tokens/tokenizer_json/unigram.h"
#include "tokens/tokenizer_json/word_models.h"

namespace assay::text {

namespace {

/// Where in the output the ids of each text stand that was encoded already.
class SeenPieces {
 public:
  struct Seen {
    std::string_view text;
    size_t begin = 0, end = 0;  // ids
  };

  /// The record of this text; `fresh` when it was just made.
  Seen& at(std::string_view text, bool& fresh) {
    if (2 * (seen_.size() + 1) > slots_.size()) grow();
    const size_t hash = std::hash<std::string_view>()(text);
    size_t slot = hash & (slots_.size() - 1);
    for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
      Seen& seen = seen_[slots_[slot] - 1];
      if (seen.text == text) return fresh = false, seen;
    }
    seen_.push_back({text});
    slots_[slot] = seen_.size();
    fresh = true;
    return seen_.back();
  }

 private:
  void grow() {
    slots_.assign(2 * slots_.size(), 0);
    for (size_t i = 0; i < seen_.size(); ++i) {
      size_t slot = std::hash<std::string_view>()(seen_[i].text) & (slots_.size() - 1);
      while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = i + 1;
    }
  }

  std::vector<Seen> seen_;
  std::vector<size_t> slots_ = std::vector<size_t>(64);  // index + 1; 0: free
};

}  // namespace

std::vector<int32_t> encode_pieces(const Model& model, const Pieces& pieces) {
  std::vector<int32_t> ids;
  SeenPieces all;
  for (const Piece& piece : pieces.list) {
    if (piece.token != kText) {
      ids.push_back(piece.token);
      continue;
    }
    bool fresh;
    SeenPieces::Seen& seen = all.at(pieces.view(piece), fresh);
    if (fresh) {
      seen.begin = ids.size();
      model.encode(seen.text, ids);
      seen.end = ids.size();
    } else {
      for (size_t i = seen.begin; i < seen.end; ++i) ids.push_back(ids[i]);
    }
  }
  return ids;
}

std::unique_ptr<Model> make_model(TokenizerFile& file) {
  const JsonObject model = JsonObject(*file.rest, file.where).object("model");
  std::string type = model.string_or("type", "");
  if (type.empty()) {  // files from before the key existed
    type = !file.scored.empty() ? "Unigram" : file.merges.size() > 0 ? "BPE" : "WordLevel";
    if (model.has("max_input_chars_per_word")) type = "WordPiece";
  }
  if (type != "BPE" && type != "Unigram" && type != "WordPiece" && type != "WordLevel") {
    fail("{}: model of type \"{}\" is not known to assay; known are BPE, Unigram, WordPiece, WordLevel", model.where(),
         type);
  }
  if (type == "Unigram" ? file.scored.empty() : file.vocab.size() == 0) {
    fail("{}: no vocabulary, expected \"vocab\" as {}", model.where(),
         type == "Unigram" ? "a list of [piece, score]" : "an object from piece to id");
  }
  if (type == "BPE") return make_bpe(model, file);
  if (type == "Unigram") return make_unigram(model, file);
  if (type == "WordPiece") return make_word_piece(model, file);
  return make_word_level(model, file);
}

}  // namespace assay::text

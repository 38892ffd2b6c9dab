#include "tokens/score_bpe.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/merges.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

using Type = SentencePieceModel::Type;

class ScoreBpe final : public Model {
 public:
  ScoreBpe(const SentencePieceModel& model, Vocabulary vocab, const std::string& where)
      : Model(std::move(vocab)),
        byte_fallback_(model.byte_fallback),
        any_joins_(model.any_piece_joins),
        count_(static_cast<int32_t>(model.pieces.size())),
        cuts_(vocab_) {
    add_symbols(model, where);
    add_merges(model);
    for (int byte = 0; byte < 256; ++byte) {
      const int32_t id = vocab_.find(byte_piece(static_cast<uint8_t>(byte)));
      byte_ids_[byte] = id >= 0 && (any_joins_ || model.pieces[id].type == Type::kByte) ? id : -1;
    }
  }

  void refine(Pieces& pieces) const override { cuts_.refine(symbols_, pieces); }

  void encode(std::string_view piece, std::vector<int32_t>& ids) const override {
    std::vector<int32_t> parts;
    for (size_t at = 0; at < piece.size();) {
      const size_t begin = at;
      next_char(piece, at);
      const int32_t symbol = symbols_.find(piece.substr(begin, at - begin));
      parts.push_back(symbol >= 0 ? symbol : kStranger);
    }
    merges_.apply(parts);

    size_t at = 0;
    bool after_unknown = false;
    for (const int32_t part : parts) {
      const size_t begin = at;
      const bool unknown = part < 0 || part >= count_;
      if (unknown) {
        next_char(piece, at);
        append_unknown(piece.substr(begin, at - begin), after_unknown, ids);
      } else {
        ids.push_back(part);
        at += vocab_.piece(part).size();
      }
      after_unknown = unknown;
    }
  }

 private:
  static constexpr int32_t kStranger = -1;  // a character that occurs in no piece

  void append_unknown(std::string_view character, bool after_unknown, std::vector<int32_t>& ids) const {
    const auto id_of = [this](char byte) { return byte_ids_[static_cast<uint8_t>(byte)]; };
    if (byte_fallback_ && std::all_of(character.begin(), character.end(), [&](char c) { return id_of(c) >= 0; })) {
      for (const char byte : character) ids.push_back(id_of(byte));
    } else if (!after_unknown) {
      if (unk_ < 0) fail("character \"{}\" is not in the vocabulary, which has no unknown token", character);
      ids.push_back(unk_);
    }
  }

  bool joins(const SentencePieceModel::Piece& piece) const { return any_joins_ || piece.type == Type::kNormal; }

  /// Symbols are the pieces that text can become, and the characters inside them that are no pieces themselves: those
  /// get numbers from `count_` up, since they can still join.
  void add_symbols(const SentencePieceModel& model, const std::string& where) {
    for (int32_t id = 0; id < count_; ++id) {
      const SentencePieceModel::Piece& piece = model.pieces[id];
      if (piece.type == Type::kUnused && !any_joins_) {
        fail("{}: piece {} \"{}\" is of type \"unused\", which assay knows for Unigram models only", where, id,
             piece.text);
      }
      if (piece.type == Type::kUnknown) unk_ = id;
      if (joins(piece)) symbols_.insert(piece.text, id);
    }
    if (unk_ < 0 && !any_joins_) fail("{}: no piece is of type \"unknown\"", where);
    int32_t next = count_;
    for (const SentencePieceModel::Piece& piece : model.pieces) {
      if (!joins(piece)) continue;
      for (size_t at = 0; at < piece.text.size();) {
        const size_t begin = at;
        next_char(piece.text, at);
        if (symbols_.insert(std::string_view(piece.text).substr(begin, at - begin), next)) ++next;
      }
    }
  }

  void add_merges(const SentencePieceModel& model) {
    std::vector<int32_t> order;
    for (int32_t id = 0; id < count_; ++id) {
      if (joins(model.pieces[id])) order.push_back(id);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return model.pieces[a].score > model.pieces[b].score; });
    uint32_t rank = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && model.pieces[order[i]].score != model.pieces[order[i - 1]].score) ++rank;
      const std::string_view text = model.pieces[order[i]].text;
      size_t middle = 0;
      for (next_char(text, middle); middle < text.size(); next_char(text, middle)) {
        const int32_t left = symbols_.find(text.substr(0, middle)), right = symbols_.find(text.substr(middle));
        if (left >= 0 && right >= 0) merges_.set(left, right, {rank, order[i]});
      }
    }
  }

  bool byte_fallback_, any_joins_;
  int32_t count_, unk_ = -1;
  Vocabulary symbols_;
  MergeTable merges_;
  SafeCuts cuts_;
  std::array<int32_t, 256> byte_ids_{};
};

}  // namespace

std::unique_ptr<Model> make_score_bpe(const SentencePieceModel& model, Vocabulary vocab, const std::string& where) {
  return std::make_unique<ScoreBpe>(model, std::move(vocab), where);
}

}  // namespace assay::text

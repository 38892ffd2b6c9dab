#include "tokens/sentencepiece.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "tokens/score_bpe.h"
#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/charsmap.h"
#include "tokens/tokenizer_json/decoders.h"
#include "tokens/tokenizer_json/pattern.h"
#include "tokens/tokenizer_json/pipeline.h"
#include "tokens/tokenizer_json/unigram.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay {

namespace {

using namespace text;
using Type = SentencePieceModel::Type;

constexpr std::string_view kSpaceSymbol = "\u2581";
constexpr size_t kMaxPiece = 1024;  // bytes; trained pieces have at most a hundred or so

std::unique_ptr<Model> make_spm_unigram(const SentencePieceModel& model, Vocabulary vocab) {
  std::vector<double> scores;
  std::vector<bool> usable;
  Unigram::Options options;
  options.byte_fallback = model.byte_fallback;
  options.single_precision = true;
  options.lookup_unknown_runs = false;
  float lowest = 0;
  bool any = false;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& [piece, score, type] = model.pieces[id];
    if (type == Type::kUnknown) options.unk = static_cast<int32_t>(id);
    if (type == Type::kNormal) {
      lowest = any ? std::min(lowest, score) : score;
      any = true;
    }
    usable.push_back(type == Type::kNormal || type == Type::kUserDefined);
    // User-defined pieces score above everything that was trained, longer ones higher.
    const bool user_defined = type == Type::kUserDefined;
    scores.push_back(user_defined ? static_cast<float>(0.1 * static_cast<double>(piece.size() - 1)) : score);
  }
  options.unk_score = lowest - static_cast<float>(kUnknownPenalty);
  return std::make_unique<Unigram>(std::move(vocab), std::move(scores), usable, options);
}

class SentencePiece final : public Tokenizer {
 public:
  SentencePiece(SentencePieceModel model, const std::string& where, bool add_bos, bool add_eos)
      : model_(std::move(model)) {
    Vocabulary vocab;
    for (size_t id = 0; id < model_.pieces.size(); ++id) {
      const auto& [piece, score, type] = model_.pieces[id];
      if (piece.size() > kMaxPiece)
        fail("{}: piece {} has {} bytes, expected at most {}", where, id, piece.size(), kMaxPiece);
      if (!vocab.insert(piece, static_cast<int32_t>(id))) fail("{}: piece \"{}\" is listed twice", where, piece);
      if (type == Type::kUserDefined) user_defined_.insert(piece, static_cast<int32_t>(id));
    }
    vocab.index_ids(where);
    if (!model_.charsmap.empty()) charsmap_.emplace(model_.charsmap, where);
    if (add_bos) bos_ = control(vocab, model_.bos_piece);
    if (add_eos) eos_ = control(vocab, model_.eos_piece);
    coder_ = model_.kind == SentencePieceModel::Kind::kBpe ? make_score_bpe(model_, std::move(vocab), where)
                                                           : make_spm_unigram(model_, std::move(vocab));
  }

  std::vector<int32_t> encode(std::string_view text, EncodeOptions options) const override {
    std::string repaired;
    if (!valid_utf8(text)) text = repaired = repair_utf8(text);
    Pieces pieces = cut(normalized(text));
    coder_->refine(pieces);
    std::vector<int32_t> ids = encode_pieces(*coder_, pieces);
    if (options.add_special && bos_) ids.insert(ids.begin(), *bos_);
    if (options.add_special && eos_) ids.push_back(*eos_);
    return ids;
  }

  std::string decode(std::span<const int32_t> ids, bool) const override {
    std::vector<std::string> pieces;
    bool started = false;
    for (const int32_t id : ids) {
      if (id < 0 || static_cast<size_t>(id) >= model_.pieces.size()) continue;
      const auto& [text, score, type] = model_.pieces[id];
      if (type == Type::kByte) {
        pieces.push_back(text);
        started = true;
      } else if (type == Type::kUnknown) {
        pieces.push_back(model_.unk_surface);
        started = true;
      } else if (type != Type::kControl) {
        pieces.push_back(surface(text, started));
      }
    }
    std::string out;
    for (const std::string& piece : join_byte_pieces(pieces)) out += piece;
    return out;
  }

  int64_t vocab_size() const override { return static_cast<int64_t>(model_.pieces.size()); }

  std::optional<int32_t> token_id(std::string_view token) const override {
    const int32_t id = coder_->vocab().find(token);
    return id < 0 ? std::nullopt : std::optional(id);
  }

  std::string_view piece(int32_t id) const override { return coder_->vocab().piece(id); }

 private:
  std::optional<int32_t> control(const Vocabulary& vocab, std::string_view piece) const {
    const int32_t id = vocab.find(piece);
    if (id < 0 || model_.pieces[id].type != Type::kControl) return std::nullopt;
    return id;
  }

  /// The replacement of what stands at the start of the text, and how many bytes it replaces.
  CharsMap::Match normalized_start(std::string_view text) const {
    if (const auto match = user_defined_.longest(text); match.length > 0) {
      return {match.length, text.substr(0, match.length)};
    }
    if (charsmap_) {
      if (const auto match = charsmap_->longest(text); match.length > 0) return match;
    }
    size_t length = 0;
    next_char(text, length);
    return {length, text.substr(0, length)};
  }

  std::string normalized(std::string_view text) const {
    const bool trim = model_.remove_extra_whitespaces;
    const size_t limit = growth_limit(text.size());
    while (trim && !text.empty()) {
      const auto start = normalized_start(text);
      if (start.replacement != " ") break;
      text.remove_prefix(start.length);
    }
    std::string out;
    if (text.empty()) return out;
    const std::string_view space = model_.escape_whitespaces ? kSpaceSymbol : " ";
    if (model_.add_dummy_prefix && !model_.whitespace_as_suffix) out += space;
    bool after_space = trim;
    while (!text.empty()) {
      auto [length, part] = normalized_start(text);
      while (after_space && part.starts_with(' ')) part.remove_prefix(1);
      for (const char c : part) {
        if (c == ' ') {
          out += space;
        } else {
          out += c;
        }
      }
      if (!part.empty()) after_space = trim && part.ends_with(' ');
      text.remove_prefix(length);
      if (out.size() > limit) fail("character map makes the text more than {} bytes long", limit);
    }
    while (trim && out.ends_with(space)) out.erase(out.size() - space.size());
    if (model_.add_dummy_prefix && model_.whitespace_as_suffix) out += space;
    return out;
  }

  /// Byte-pair models never see user-defined pieces; Unigram models weigh them like others.
  Pieces cut(std::string text) const {
    Pieces pieces;
    const bool whole = user_defined_.empty() || model_.kind == SentencePieceModel::Kind::kUnigram;
    size_t done = 0;
    const auto push_text = [&](size_t end) {
      if (done < end) pieces.list.push_back({done, end});
    };
    for (size_t at = 0; !whole && at < text.size();) {
      const auto match = user_defined_.longest(std::string_view(text).substr(at));
      if (match.length == 0) {
        next_char(text, at);
        continue;
      }
      push_text(at);
      pieces.list.push_back({at, at, match.value});
      at = done = at + match.length;
    }
    push_text(text.size());
    pieces.text = std::move(text);
    return pieces;
  }

  /// What an ordinary piece decodes to. The space that the dummy prefix put before the text goes away again.
  std::string surface(std::string_view piece, bool& started) const {
    if (!started && (model_.add_dummy_prefix || model_.remove_extra_whitespaces)) {
      const bool space = piece.starts_with(kSpaceSymbol);
      if (space) piece.remove_prefix(kSpaceSymbol.size());
      started = (space && !model_.remove_extra_whitespaces) || !piece.empty();
    }
    started = started || !piece.empty();
    return space_symbol_.replaced(piece, " ");
  }

  SentencePieceModel model_;
  std::unique_ptr<Model> coder_;
  ByteTrie user_defined_;
  std::optional<CharsMap> charsmap_;
  std::optional<int32_t> bos_, eos_;
  Pattern space_symbol_{std::string(kSpaceSymbol)};
};

}  // namespace

std::unique_ptr<Tokenizer> make_sentencepiece(SentencePieceModel model, const std::string& where, bool add_bos,
                                              bool add_eos) {
  return std::make_unique<SentencePiece>(std::move(model), where, add_bos, add_eos);
}

std::unique_ptr<Tokenizer> make_sentencepiece(std::string_view bytes, const std::string& where,
                                              const JsonObject* config) {
  bool add_bos = true, add_eos = false;
  if (config) {
    const std::string name = config->string_or("tokenizer_class", "Llama");
    const bool by_class = name.find("Llama") != std::string::npos || name.find("Gemma") != std::string::npos;
    add_bos = config->boolean_or("add_bos_token", by_class);
    add_eos = config->boolean_or("add_eos_token", false);
  }
  return make_sentencepiece(parse_sentencepiece(bytes, where), where, add_bos, add_eos);
}

}  // namespace assay

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "tokens/gguf/merge_model.h"
#include "tokens/gguf/pre_tokenizers.h"
#include "tokens/gguf/special_tokens.h"
#include "tokens/gguf/text_steps.h"
#include "tokens/gguf_vocabulary.h"
#include "tokens/score_bpe.h"
#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/pattern.h"
#include "tokens/tokenizer_json/post_processor.h"
#include "tokens/tokenizer_json/splitter.h"
#include "tokens/tokenizer_json/trie.h"
#include "tokens/tokenizer_json/unigram.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay {

namespace {

using namespace text;
using Type = GgufVocabulary::Type;

/// The longest token that begins the rest of a word, and so on; a word with a gap is unknown as a whole.
class LongestTokens final : public Model {
 public:
  LongestTokens(Vocabulary vocab, int32_t unk) : Model(std::move(vocab)), unk_(unk) {
    vocab_.for_each([this](std::string_view token, int32_t id) { trie_.insert(token, id); });
  }

  void encode(std::string_view piece, std::vector<int32_t>& ids) const override {
    const size_t before = ids.size();
    while (!piece.empty()) {
      const ByteTrie::Match match = trie_.longest(piece);
      if (match.length == 0) {
        ids.resize(before);
        break;
      }
      ids.push_back(match.value);
      piece.remove_prefix(match.length);
    }
    if (ids.size() > before) return;
    if (unk_ < 0) fail("text is not in the vocabulary, which has no unknown token");
    ids.push_back(unk_);
  }

 private:
  ByteTrie trie_;
  int32_t unk_;
};

/// The parts of a tokenizer that depend on "tokenizer.ggml.model".
struct Kind {
  PreTokenizers steps;
  std::unique_ptr<Model> model;
  bool bytes = false;        ///< tokens spell bytes
  bool drops_space = false;  ///< decoding leaves out the space that encoding puts first
  bool strip_before_mask = false;
  std::optional<int64_t> bos, eos;  ///< unless the file names others
  bool add_bos = false, add_eos = false;
};

class GgufTokenizer final : public Tokenizer {
 public:
  GgufTokenizer(GgufVocabulary vocabulary, Kind kind, Affixes affixes)
      : special_(vocabulary, kind.strip_before_mask),
        types_(std::move(vocabulary.types)),
        kind_(std::move(kind)),
        affixes_(std::move(affixes)) {}

  std::vector<int32_t> encode(std::string_view text, EncodeOptions options) const override {
    std::string repaired;
    if (!valid_utf8(text)) text = repaired = repair_utf8(text);
    Pieces pieces;
    pieces.list = special_.cut(text, options.parse_special);
    pieces.text = text;
    pieces.limit = growth_limit(text.size());
    for (const auto& step : kind_.steps) step->apply(pieces);
    kind_.model->refine(pieces);
    std::vector<int32_t> ids = encode_pieces(*kind_.model, pieces);
    if (options.add_special) {
      ids.insert(ids.begin(), affixes_.before.begin(), affixes_.before.end());
      ids.insert(ids.end(), affixes_.after.begin(), affixes_.after.end());
    }
    return ids;
  }

  std::string decode(std::span<const int32_t> ids, bool skip_special) const override {
    std::string out;
    bool first = true;
    for (const int32_t id : ids) {
      if (!kind_.model->vocab().has_id(id)) continue;
      const std::string_view token = kind_.model->vocab().piece(id);
      if (special_.is_special(id)) {
        if (!skip_special || !special_.is_control(id)) out += token;
        continue;
      }
      const size_t before = out.size();
      append_decoded(token, id, out);
      if (first && kind_.drops_space && out.size() > before && out[before] == ' ') out.erase(before, 1);
      first = false;
    }
    return repair_utf8(out);
  }

  int64_t vocab_size() const override { return kind_.model->vocab().id_limit(); }

  std::optional<int32_t> token_id(std::string_view token) const override {
    const int32_t id = kind_.model->vocab().find(token);
    return id < 0 ? std::nullopt : std::optional(id);
  }

  std::string_view piece(int32_t id) const override { return kind_.model->vocab().piece(id); }

 private:
  void append_decoded(std::string_view token, int32_t id, std::string& out) const {
    if (!types_.empty() && types_[id] == Type::kByte) {
      if (const int byte = byte_piece_value(token); byte >= 0) {
        out += static_cast<char>(byte);
        return;
      }
    }
    if (!kind_.bytes) {
      out += space_symbol_.replaced(token, " ");
      return;
    }
    for (size_t at = 0; at < token.size();) {
      const size_t begin = at;
      const int byte = byte_level_byte(next_char(token, at));
      if (byte >= 0) {
        out += static_cast<char>(byte);
      } else {
        out += token.substr(begin, at - begin);
      }
    }
  }

  GgufSpecialTokens special_;
  std::vector<Type> types_;
  Kind kind_;
  Affixes affixes_;
  Pattern space_symbol_{"\u2581"};
};

Kind merge_kind(const GgufVocabulary& source, Vocabulary vocab, const std::string& where) {
  const std::string pre = source.model == "gemma4" ? "gemma4" : source.pre;
  const GgufPreTokenizer how = gguf_pre_tokenizer(pre, where);
  if (source.merges.empty() && pre != "kimi-k2") fail("{}: no tokenizer.ggml.merges", where);
  Kind kind;
  if (how.raw) kind.steps.push_back(make_gguf_spaces(false));
  for (const std::string& pattern : how.patterns) {
    kind.steps.push_back(
        std::make_unique<Splitter>(Pattern(Regex(pattern, where + ": pre-tokenizer")), SplitBehavior::kIsolated));
  }
  if (!how.raw) kind.steps.push_back(make_gguf_bytes());
  kind.model = make_gguf_merge_model(std::move(vocab), source.merges, how);
  kind.bytes = !how.raw;
  kind.strip_before_mask = how.strip_before_mask;
  if (source.model != "gemma4") kind.eos = 11;
  if (source.model != "gemma4" && !how.no_default_bos) kind.bos = 11;
  kind.add_bos = how.always_bos || source.add_bos.value_or(how.add_bos);
  kind.add_eos = source.add_eos.value_or(false);
  return kind;
}

float score_of(const GgufVocabulary& source, size_t id) {
  return source.scores.empty() ? 0 : source.scores[id];
}
Type type_of(const GgufVocabulary& source, size_t id) {
  return source.types.empty() ? Type::kNormal : source.types[id];
}

/// An id that the file gives, else the one that llama.cpp takes for granted; -1 when there is no such token.
int32_t id_or(std::optional<int64_t> given, std::optional<int64_t> otherwise, int64_t count) {
  for (const auto& id : {given, otherwise}) {
    if (id && *id >= 0 && *id < count) return static_cast<int32_t>(*id);
  }
  return -1;
}

Kind score_kind(const GgufVocabulary& source, Vocabulary vocab, const std::string& where) {
  SentencePieceModel pieces;
  pieces.byte_fallback = true;
  pieces.any_piece_joins = true;
  for (size_t id = 0; id < source.tokens.size(); ++id) {
    pieces.pieces.push_back({source.tokens[id], score_of(source, id), SentencePieceModel::Type::kNormal});
  }
  const int32_t unk = id_or(source.unk, 0, vocab.id_limit());
  pieces.pieces[unk].type = SentencePieceModel::Type::kUnknown;
  Kind kind;
  kind.drops_space = source.add_space_prefix.value_or(true);
  kind.steps.push_back(make_gguf_spaces(kind.drops_space));
  kind.model = make_score_bpe(pieces, std::move(vocab), where);
  kind.bos = 1;
  kind.eos = 2;
  kind.add_bos = source.add_bos.value_or(true);
  kind.add_eos = source.add_eos.value_or(false);
  return kind;
}

Kind unigram_kind(const GgufVocabulary& source, Vocabulary vocab, const std::string& where) {
  std::vector<double> scores;
  std::vector<bool> usable;
  float lowest = std::numeric_limits<float>::max();
  for (size_t id = 0; id < source.tokens.size(); ++id) {
    const Type type = type_of(source, id);
    if (type == Type::kNormal) lowest = std::min(lowest, score_of(source, id));
    usable.push_back(type == Type::kNormal || type == Type::kUserDefined || type == Type::kUnused);
    scores.push_back(type == Type::kUserDefined ? 0 : score_of(source, id));
  }
  Unigram::Options options;
  options.unk = id_or(source.unk, 2, vocab.id_limit());
  options.unk_score = lowest - static_cast<float>(kUnknownPenalty);
  options.lookup_unknown_runs = false;
  Kind kind;
  kind.drops_space = source.add_space_prefix.value_or(false);
  kind.steps.push_back(make_gguf_unigram_text(source, where + ": tokenizer.ggml.precompiled_charsmap"));
  kind.model = std::make_unique<Unigram>(std::move(vocab), std::move(scores), usable, options);
  kind.eos = 1;
  kind.add_bos = source.add_bos.value_or(false);
  kind.add_eos = source.add_eos.value_or(true);
  return kind;
}

Kind word_kind(const GgufVocabulary& source, Vocabulary vocab, const std::string&) {
  Kind kind;
  kind.drops_space = true;
  kind.steps.push_back(make_gguf_bert_words(source));
  const int32_t unk = id_or(source.unk, 100, vocab.id_limit());
  kind.model = std::make_unique<LongestTokens>(std::move(vocab), unk);
  kind.bos = 101;
  kind.eos = id_or(source.sep, 102, kind.model->vocab().id_limit());  // what ends a text is called separator here
  kind.add_bos = kind.add_eos = true;
  return kind;
}

void check(const GgufVocabulary& source, const std::string& where) {
  const size_t count = source.tokens.size();
  if (count == 0) fail("{}: no tokenizer.ggml.tokens", where);
  if (count > INT32_MAX) fail("{}: {} tokens, expected at most {}", where, count, INT32_MAX);
  if (!source.scores.empty() && source.scores.size() < count) {
    fail("{}: {} tokenizer.ggml.scores for {} tokens", where, source.scores.size(), count);
  }
  if (!source.types.empty() && source.types.size() < count) {
    fail("{}: {} tokenizer.ggml.token_type for {} tokens", where, source.types.size(), count);
  }
  for (size_t id = 0; id < source.scores.size(); ++id) {
    if (!std::isfinite(source.scores[id])) fail("{}: the score of token {} is not a number", where, id);
  }
}

constexpr size_t kMaxToken = 4096;  // bytes

Vocabulary vocabulary_of(GgufVocabulary& source, const std::string& where) {
  Vocabulary vocab;
  for (size_t id = 0; id < source.tokens.size(); ++id) {
    std::string& token = source.tokens[id];
    if (token.empty()) token = fmt::format("[EMPTY_{}]", id);
    if (token.size() > kMaxToken)
      fail("{}: token {} has {} bytes, expected at most {}", where, id, token.size(), kMaxToken);
    if (!vocab.insert(token, static_cast<int32_t>(id))) fail("{}: token \"{}\" is listed twice", where, token);
  }
  vocab.index_ids(where);
  return vocab;
}

Kind kind_of(const GgufVocabulary& source, Vocabulary vocab, const std::string& where) {
  if (source.model == "gpt2" || source.model == "gemma4") return merge_kind(source, std::move(vocab), where);
  if (source.model == "llama") return score_kind(source, std::move(vocab), where);
  if (source.model == "t5") return unigram_kind(source, std::move(vocab), where);
  if (source.model == "bert") return word_kind(source, std::move(vocab), where);
  fail(
      "{}: tokenizer.ggml.model is \"{}\", which assay does not know; known are gpt2, llama, t5, bert, gemma4. Name a "
      "tokenizer.json of the model instead",
      where, source.model);
}

Affixes affixes_of(const GgufVocabulary& source, const Kind& kind, const std::string& where) {
  const int64_t count = kind.model->vocab().id_limit();
  Affixes affixes;
  if (kind.add_bos) {
    const int32_t bos = id_or(source.bos, kind.bos, count);
    if (bos < 0) fail("{}: a BOS is to be added, but tokenizer.ggml.bos_token_id names none", where);
    affixes.before.push_back(bos);
  }
  if (kind.add_eos) {
    const int32_t eos = id_or(source.model == "bert" ? source.sep : source.eos, kind.eos, count);
    if (eos < 0) fail("{}: an EOS is to be added, but tokenizer.ggml.eos_token_id names none", where);
    affixes.after.push_back(eos);
  }
  return affixes;
}

}  // namespace

std::unique_ptr<Tokenizer> make_gguf_tokenizer(GgufVocabulary vocabulary, const std::string& where) {
  check(vocabulary, where);
  Vocabulary vocab = vocabulary_of(vocabulary, where);
  Kind kind = kind_of(vocabulary, std::move(vocab), where);
  Affixes affixes = affixes_of(vocabulary, kind, where);
  return std::make_unique<GgufTokenizer>(std::move(vocabulary), std::move(kind), std::move(affixes));
}

}  // namespace assay

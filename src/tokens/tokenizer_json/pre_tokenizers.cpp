#include "tokens/tokenizer_json/pre_tokenizers.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/splitter.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

constexpr const char* kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class ByteLevel final : public PreTokenizer {
 public:
  explicit ByteLevel(const JsonObject& step) : add_prefix_space_(step.boolean_or("add_prefix_space", true)) {
    if (step.boolean_or("use_regex", true)) {
      splitter_ = std::make_unique<Splitter>(Pattern(Regex(kGpt2Pattern, step.where())), SplitBehavior::kIsolated);
    }
  }

  void apply(Pieces& pieces) const override {
    if (add_prefix_space_) {
      rewrite(pieces, [](std::string_view text, bool, std::string& out) {
        if (!text.starts_with(' ')) out += ' ';
        out += text;
      });
    }
    if (splitter_) splitter_->apply(pieces);
    rewrite(pieces, [](std::string_view text, bool, std::string& out) { append_byte_level(out, text); });
  }

 private:
  bool add_prefix_space_;
  std::unique_ptr<Splitter> splitter_;
};

class Metaspace final : public PreTokenizer {
 public:
  explicit Metaspace(const JsonObject& step) : replacement_(step.string_or("replacement", "\u2581")) {
    // Files from before "prepend_scheme" say "add_prefix_space".
    const std::string scheme =
        step.string_or("prepend_scheme", step.boolean_or("add_prefix_space", true) ? "always" : "never");
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      step.refuse("prepend_scheme", "always, first or never");
    }
    if (replacement_.empty() || replacement_.size() != utf8_length(static_cast<uint8_t>(replacement_[0]))) {
      step.refuse("replacement", "one character");
    }
    always_ = scheme == "always";
    first_ = scheme == "first";
    if (step.boolean_or("split", true)) {
      splitter_ = std::make_unique<Splitter>(Pattern(replacement_), SplitBehavior::kMergedWithNext);
    }
  }

  void apply(Pieces& pieces) const override {
    rewrite(pieces, [this](std::string_view text, bool at_start, std::string& out) {
      const bool prepend = always_ || (first_ && at_start);
      if (prepend && !text.starts_with(' ') && !text.starts_with(replacement_)) out += replacement_;
      for (const char c : text) {
        if (c == ' ') {
          out += replacement_;
        } else {
          out += c;
        }
      }
    });
    if (splitter_) splitter_->apply(pieces);
  }

 private:
  std::string replacement_;
  bool always_ = false, first_ = false;
  std::unique_ptr<Splitter> splitter_;
};

/// Runs of word characters and runs of other characters; white space is dropped.
class Whitespace final : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override {
    std::vector<Piece> list;
    for (const Piece& piece : pieces.list) {
      if (piece.token != kText) {
        list.push_back(piece);
      } else {
        cut(pieces.text, piece, list);
      }
    }
    pieces.list = std::move(list);
  }

 private:
  enum class Kind { kSpace, kWord, kOther };

  static void cut(std::string_view text, const Piece& piece, std::vector<Piece>& list) {
    Kind before = Kind::kSpace;
    for (size_t at = piece.begin; at < piece.end;) {
      const size_t begin = at;
      const char32_t code = next_char(text, at);
      const Kind kind = is_word(code) ? Kind::kWord : is_white_space(code) ? Kind::kSpace : Kind::kOther;
      if (kind != Kind::kSpace) {
        if (kind != before) list.push_back({begin, at, kText, piece.at_start && begin == piece.begin});
        list.back().end = at;
      }
      before = kind;
    }
  }
};

std::unique_ptr<PreTokenizer> split_at(Pattern::CharClass of_class, SplitBehavior behavior) {
  return std::make_unique<Splitter>(Pattern(of_class), behavior);
}

void add_step(const JsonObject& step, PreTokenizers& steps) {
  const std::string type = step.string("type");
  if (type == "ByteLevel") {
    steps.push_back(std::make_unique<ByteLevel>(step));
  } else if (type == "Split") {
    steps.push_back(
        std::make_unique<Splitter>(Pattern::from_json(step), split_behavior(step), step.boolean_or("invert", false)));
  } else if (type == "Metaspace") {
    steps.push_back(std::make_unique<Metaspace>(step));
  } else if (type == "Digits") {
    const bool individual = step.boolean_or("individual_digits", false);
    steps.push_back(split_at(is_numeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  } else if (type == "Punctuation") {
    steps.push_back(split_at(is_punctuation, step.has("behavior") ? split_behavior(step) : SplitBehavior::kIsolated));
  } else if (type == "Whitespace") {
    steps.push_back(std::make_unique<Whitespace>());
  } else if (type == "WhitespaceSplit") {
    steps.push_back(split_at(is_white_space, SplitBehavior::kRemoved));
  } else if (type == "BertPreTokenizer") {
    steps.push_back(split_at(is_white_space, SplitBehavior::kRemoved));
    steps.push_back(split_at(is_punctuation, SplitBehavior::kIsolated));
  } else if (type == "CharDelimiterSplit") {
    steps.push_back(std::make_unique<Splitter>(Pattern(step.string("delimiter")), SplitBehavior::kRemoved));
  } else {
    fail("{}: pre-tokenizer of type \"{}\" is not known to assay", step.where(), type);
  }
}

void collect(const Json& section, const std::string& where, PreTokenizers& steps) {
  const JsonObject step(section, where);
  if (step.string("type") != "Sequence") return add_step(step, steps);
  const Json* list = step.find("pretokenizers");
  if (!list || !list->is_array()) step.refuse("pretokenizers", "a list");
  for (const Json& item : *list) collect(item, where, steps);
}

}  // namespace

PreTokenizers make_pre_tokenizers(const Json* section, const std::string& where) {
  PreTokenizers steps;
  if (section) collect(*section, where, steps);
  return steps;
}

}  // namespace assay::text

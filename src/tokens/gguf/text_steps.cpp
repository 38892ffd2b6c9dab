#include "tokens/gguf/text_steps.h"

#include <utf8proc.h>

#include <optional>

#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/charsmap.h"
#include "tokens/tokenizer_json/trie.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

constexpr std::string_view kSpaceSymbol = "\u2581";

class Spaces final : public PreTokenizer {
 public:
  explicit Spaces(bool prefix) : prefix_(prefix) {}

  void apply(Pieces& pieces) const override {
    rewrite(pieces, [this](std::string_view text, bool, std::string& out) {
      if (prefix_) out += kSpaceSymbol;
      for (const char c : text) {
        if (c == ' ') {
          out += kSpaceSymbol;
        } else {
          out += c;
        }
      }
    });
  }

 private:
  bool prefix_;
};

class Bytes final : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override {
    rewrite(pieces, [](std::string_view text, bool, std::string& out) { append_byte_level(out, text); });
  }
};

class UnigramText final : public PreTokenizer {
 public:
  UnigramText(const GgufVocabulary& vocabulary, const std::string& where)
      : prefix_(vocabulary.add_space_prefix.value_or(false)),
        one_space_(vocabulary.remove_extra_whitespaces.value_or(false)) {
    if (!vocabulary.charsmap.empty()) charsmap_.emplace(vocabulary.charsmap, where);
    for (size_t id = 0; id < vocabulary.types.size(); ++id) {
      if (vocabulary.types[id] == GgufVocabulary::Type::kUserDefined) {
        user_defined_.insert(vocabulary.tokens[id], static_cast<int32_t>(id));
      }
    }
  }

  void apply(Pieces& pieces) const override {
    rewrite(pieces, [this](std::string_view text, bool, std::string& out) { append(text, out); });
  }

 private:
  void append(std::string_view text, std::string& out) const {
    bool prefixed = false, in_word = false;
    while (!text.empty()) {
      const auto [length, part] = start_of(text);
      for (const char c : part) {
        if (c == ' ') {
          in_word = false;
          if (!one_space_) out += kSpaceSymbol;
          continue;
        }
        if (!in_word && ((prefix_ && !prefixed) || one_space_)) {
          out += kSpaceSymbol;
          prefixed = true;
        }
        in_word = true;
        out += c;
      }
      text.remove_prefix(length);
    }
  }

  /// What the start of the text becomes. Text that begins a user-defined token, even in part, stays as it is.
  CharsMap::Match start_of(std::string_view text) const {
    if (const size_t length = user_defined_.depth(text); length > 0) return {length, text.substr(0, length)};
    if (charsmap_) {
      if (const auto match = charsmap_->longest(text); match.length > 0) return match;
    }
    size_t length = 0;
    next_char(text, length);
    if (!valid_utf8(text.substr(0, length))) return {1, "\ufffd"};
    return {length, text.substr(0, length)};
  }

  bool prefix_, one_space_;
  std::optional<CharsMap> charsmap_;
  ByteTrie user_defined_;
};

utf8proc_category_t category_of(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}

bool is_han(char32_t code) {
  return (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf) ||
         (code >= 0x20000 && code <= 0x2a6df) || (code >= 0x2a700 && code <= 0x2b73f) ||
         (code >= 0x2b740 && code <= 0x2b81f) || (code >= 0x2b920 && code <= 0x2ceaf) ||
         (code >= 0xf900 && code <= 0xfaff) || (code >= 0x2f800 && code <= 0x2fa1f);
}

/// The first character of the canonical decomposition.
char32_t base_of(char32_t code) {
  utf8proc_int32_t parts[32];
  int boundary = 0;
  const auto count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), parts, 32, UTF8PROC_DECOMPOSE, &boundary);
  return count > 0 && count <= 32 ? static_cast<char32_t>(parts[0]) : code;
}

class BertWords final : public PreTokenizer {
 public:
  BertWords(bool lowercase, bool strip_accents) : lowercase_(lowercase), strip_accents_(strip_accents) {}

  void apply(Pieces& pieces) const override {
    std::string text;
    std::vector<Piece> list;
    for (const Piece& piece : pieces.list) {
      if (piece.token == kText) {
        cut(pieces.view(piece), text, list);
      } else {
        list.push_back({text.size(), text.size(), piece.token});
      }
    }
    pieces.text = std::move(text);
    pieces.list = std::move(list);
  }

 private:
  void cut(std::string_view in, std::string& text, std::vector<Piece>& list) const {
    bool open = false;  // the last piece of `list` is a word that may go on
    const auto add = [&](char32_t code) {
      if (!open) {
        list.push_back({text.size(), text.size()});
        text += kSpaceSymbol;
      }
      append_char(text, code);
      list.back().end = text.size();
      open = true;
    };
    for (size_t at = 0; at < in.size();) {
      char32_t code = next_char(in, at);
      if (strip_accents_) code = base_of(code);
      const auto category = category_of(code);
      if (is_white_space(code)) {
        open = false;
        continue;
      }
      const bool control = category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
                           category == UTF8PROC_CATEGORY_CO || category == UTF8PROC_CATEGORY_CS;
      if (code == 0 || code == 0xfffd || control || (strip_accents_ && is_mark(code, false))) continue;
      const bool punctuation = category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
      const bool symbol = code < 0x7f && category >= UTF8PROC_CATEGORY_SM && category <= UTF8PROC_CATEGORY_SO;
      const bool alone = punctuation || symbol || is_han(code);
      if (alone) open = false;
      add(lowercase_ ? static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))) : code);
      if (alone) open = false;
    }
  }

  bool lowercase_, strip_accents_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_gguf_spaces(bool prefix) {
  return std::make_unique<Spaces>(prefix);
}

std::unique_ptr<PreTokenizer> make_gguf_bytes() {
  return std::make_unique<Bytes>();
}

std::unique_ptr<PreTokenizer> make_gguf_unigram_text(const GgufVocabulary& vocabulary, const std::string& where) {
  return std::make_unique<UnigramText>(vocabulary, where);
}

std::unique_ptr<PreTokenizer> make_gguf_bert_words(const GgufVocabulary& vocabulary) {
  const bool lowercase = vocabulary.lowercase.value_or(true);
  return std::make_unique<BertWords>(lowercase, vocabulary.strip_accents.value_or(lowercase));
}

}  // namespace assay::text

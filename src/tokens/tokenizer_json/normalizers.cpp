#include "tokens/tokenizer_json/normalizers.h"

#include <utf8proc.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/charsmap.h"
#include "tokens/tokenizer_json/pattern.h"
#include "tokens/tokenizer_json/unicode_forms.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

/// Keeps the characters for which keep(code) holds.
template <class Keep>
void filter(Normalized& piece, Keep keep) {
  std::string out;
  out.reserve(piece.text.size());
  for (size_t at = 0; at < piece.text.size();) {
    const size_t begin = at;
    if (keep(next_char(piece.text, at))) {
      out.append(piece.text, begin, at - begin);
    } else if (begin == 0) {
      piece.at_start = false;
    }
  }
  piece.text = std::move(out);
}

/// Steps that look at nothing but the text.
class TextStep final : public Normalizer {
 public:
  explicit TextStep(std::function<std::string(std::string_view)> change) : change_(std::move(change)) {}
  void apply(Normalized& piece) const override { piece.text = change_(piece.text); }

 private:
  std::function<std::string(std::string_view)> change_;
};

class StripAccents final : public Normalizer {
 public:
  void apply(Normalized& piece) const override {
    filter(piece, [](char32_t code) { return !is_mark(code, false); });
  }
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}

  void apply(Normalized& piece) const override {
    const std::string_view text = piece.text;
    size_t begin = 0, end = 0, seen = 0;
    bool leading = true;
    while (seen < text.size()) {
      const bool space = is_white_space(next_char(text, seen));
      leading = leading && space;
      if (leading && left_) begin = seen;
      if (!space || !right_) end = seen;
    }
    if (begin > 0) piece.at_start = false;
    piece.text = std::string(text.substr(begin, std::max(begin, end) - begin));
  }

 private:
  bool left_, right_;
};

class Replace final : public Normalizer {
 public:
  explicit Replace(const JsonObject& step) : pattern_(Pattern::from_json(step)), content_(step.string("content")) {}

  void apply(Normalized& piece) const override {
    if (content_.empty() && piece.at_start) {
      std::vector<Span> matches;
      pattern_.find_all(piece.text, matches);
      if (!matches.empty() && matches[0].begin == 0 && matches[0].end > 0) piece.at_start = false;
    }
    piece.text = pattern_.replaced(piece.text, content_);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string text) : text_(std::move(text)) {}
  void apply(Normalized& piece) const override {
    if (!piece.text.empty()) piece.text.insert(0, text_);
  }

 private:
  std::string text_;
};

bool is_cjk(char32_t code) {
  return (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf) ||
         (code >= 0x20000 && code <= 0x2a6df) || (code >= 0x2a700 && code <= 0x2b81f) ||
         (code >= 0x2b920 && code <= 0x2ceaf) || (code >= 0xf900 && code <= 0xfaff) ||
         (code >= 0x2f800 && code <= 0x2fa1f);
}

/// What BERT calls a control character: general categories Cc, Cf, Co, but not tab and line ends.
bool is_bert_control(char32_t code) {
  if (code == '\t' || code == '\n' || code == '\r') return false;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(const JsonObject& step)
      : clean_(step.boolean_or("clean_text", true)),
        cjk_(step.boolean_or("handle_chinese_chars", true)),
        lower_(step.boolean_or("lowercase", true)),
        accents_(step.boolean_or("strip_accents", lower_)) {}

  void apply(Normalized& piece) const override {
    if (clean_) clean(piece);
    if (cjk_) piece.text = spaced_cjk(piece.text);
    if (accents_) {
      piece.text = to_form(piece.text, {false, false});
      filter(piece, [](char32_t code) { return !is_mark(code, true); });
    }
    if (lower_) piece.text = to_lower(piece.text);
  }

 private:
  static void clean(Normalized& piece) {
    filter(piece, [](char32_t code) { return code != 0 && code != 0xfffd && !is_bert_control(code); });
    std::string out;
    for (size_t at = 0; at < piece.text.size();) {
      const char32_t code = next_char(piece.text, at);
      append_char(out, is_white_space(code) ? U' ' : code);
    }
    piece.text = std::move(out);
  }

  static std::string spaced_cjk(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const char32_t code = next_char(text, at);
      const bool cjk = is_cjk(code);
      if (cjk) out += ' ';
      append_char(out, code);
      if (cjk) out += ' ';
    }
    return out;
  }

  bool clean_, cjk_, lower_, accents_;
};

/// A SentencePiece character map as the tokenizers library applies it: to whole short grapheme clusters, else to single
/// characters, and by the shortest key that begins them.
class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(const JsonObject& step)
      : map_(decode_base64(step.string("precompiled_charsmap"), step.where()), step.where()) {}

  void apply(Normalized& piece) const override {
    const std::string_view text = piece.text;
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t end = cluster_end(text, at);
      const std::string_view cluster = text.substr(at, end - at);
      if (cluster.size() >= kLongCluster || !replace(cluster, out)) {
        for (size_t i = 0; i < cluster.size();) {
          const size_t begin = i;
          next_char(cluster, i);
          const std::string_view one = cluster.substr(begin, i - begin);
          if (!replace(one, out)) out += one;
        }
      }
      at = end;
      if (out.size() > growth_limit(text.size())) fail("character map makes {} bytes too long", text.size());
    }
    piece.text = std::move(out);
  }

 private:
  static constexpr size_t kLongCluster = 6;  // bytes

  bool replace(std::string_view text, std::string& out) const {
    const CharsMap::Match match = map_.shortest(text);
    if (match.length == 0) return false;
    out += match.replacement;
    return true;
  }

  static size_t cluster_end(std::string_view text, size_t at) {
    char32_t before = next_char(text, at);
    utf8proc_int32_t state = 0;
    while (at < text.size()) {
      size_t after = at;
      const char32_t code = next_char(text, after);
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before), static_cast<utf8proc_int32_t>(code),
                                           &state)) {
        break;
      }
      before = code;
      at = after;
    }
    return at;
  }

  CharsMap map_;
};

std::unique_ptr<Normalizer> text_step(std::function<std::string(std::string_view)> change) {
  return std::make_unique<TextStep>(std::move(change));
}

std::unique_ptr<Normalizer> unicode_form(bool compose, bool compatibility) {
  return text_step([form = UnicodeForm{compose, compatibility}](std::string_view text) { return to_form(text, form); });
}

std::unique_ptr<Normalizer> make_normalizer(const JsonObject& step) {
  const std::string type = step.string("type");
  if (type == "NFC") return unicode_form(true, false);
  if (type == "NFD") return unicode_form(false, false);
  if (type == "NFKC") return unicode_form(true, true);
  if (type == "NFKD") return unicode_form(false, true);
  if (type == "Lowercase") return text_step(to_lower);
  if (type == "StripAccents") return std::make_unique<StripAccents>();
  if (type == "Strip") return std::make_unique<Strip>(step.boolean("strip_left"), step.boolean("strip_right"));
  if (type == "Replace") return std::make_unique<Replace>(step);
  if (type == "Prepend") return std::make_unique<Prepend>(step.string("prepend"));
  if (type == "BertNormalizer") return std::make_unique<BertNormalizer>(step);
  if (type == "Precompiled") return std::make_unique<Precompiled>(step);
  if (type == "ByteLevel") {
    return text_step([](std::string_view text) {
      std::string out;
      append_byte_level(out, text);
      return out;
    });
  }
  fail("{}: normalizer of type \"{}\" is not known to assay", step.where(), type);
}

void collect(const Json& section, const std::string& where, Normalizers& steps) {
  const JsonObject step(section, where);
  if (step.string("type") != "Sequence") {
    steps.push_back(make_normalizer(step));
    return;
  }
  const Json* list = step.find("normalizers");
  if (!list || !list->is_array()) step.refuse("normalizers", "a list");
  for (const Json& item : *list) collect(item, where, steps);
}

}  // namespace

void normalize(const Normalizers& steps, Normalized& piece) {
  const size_t limit = growth_limit(piece.text.size());
  for (const auto& step : steps) {
    step->apply(piece);
    if (piece.text.size() > limit) {
      fail("normalizers make the text {} bytes long, expected at most {}", piece.text.size(), limit);
    }
  }
}

Normalizers make_normalizers(const Json* section, const std::string& where) {
  Normalizers steps;
  if (section) collect(*section, where, steps);
  return steps;
}

}  // namespace assay::text

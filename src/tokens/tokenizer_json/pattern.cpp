#include "tokens/tokenizer_json/pattern.h"

#include "base/error.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

Pattern Pattern::from_json(const JsonObject& step) {
  const JsonObject pattern = step.object("pattern");
  if (pattern.has("String")) return Pattern(pattern.string("String"));
  if (pattern.has("Regex")) return Pattern(Regex(pattern.string("Regex"), step.where()));
  step.refuse("pattern", "{\"String\": ...} or {\"Regex\": ...}");
}

void Pattern::find_all(std::string_view text, std::vector<Span>& matches) const {
  if (const auto* literal = std::get_if<std::string>(&what_)) {
    if (literal->empty()) return;
    for (size_t at = 0; (at = text.find(*literal, at)) != std::string_view::npos; at += literal->size()) {
      matches.push_back({at, at + literal->size()});
    }
  } else if (const auto* regex = std::get_if<Regex>(&what_)) {
    regex->find_all(text, matches);
  } else {
    const CharClass in_class = std::get<CharClass>(what_);
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      if (in_class(next_char(text, at))) matches.push_back({begin, at});
    }
  }
}

std::string Pattern::replaced(std::string_view text, std::string_view by) const {
  std::vector<Span> matches;
  find_all(text, matches);
  std::string out;
  const size_t limit = growth_limit(text.size());
  size_t done = 0;
  for (const Span& match : matches) {
    out.append(text, done, match.begin - done);
    out += by;
    done = match.end;
    if (out.size() > limit) fail("replacing by a text of {} bytes makes {} bytes too long", by.size(), text.size());
  }
  return out.append(text, done);
}

}  // namespace assay::text

#include "tokens/tokenizer_json/added_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

constexpr size_t kMaxContent = 4096;  // bytes

char32_t first_char(std::string_view text) {
  size_t at = 0;
  return next_char(text, at);
}

/// Where the last character of a text that is not empty begins.
size_t last_begin(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80) --at;
  return at;
}

bool stands_alone(std::string_view text, const Span& span) {
  const std::string_view before = text.substr(0, span.begin), after = text.substr(span.end);
  return (before.empty() || !is_word(first_char(before.substr(last_begin(before))))) &&
         (after.empty() || !is_word(first_char(after)));
}

size_t skip_space_left(std::string_view text, size_t at, size_t floor) {
  while (at > floor) {
    const size_t begin = last_begin(text.substr(0, at));
    if (!is_white_space(first_char(text.substr(begin)))) break;
    at = begin;
  }
  return at;
}

size_t skip_space_right(std::string_view text, size_t at) {
  while (at < text.size() && is_white_space(first_char(text.substr(at)))) next_char(text, at);
  return at;
}

}  // namespace

AddedTokens::AddedTokens(const Json* section, const std::string& where, const Vocabulary& vocab,
                         const Normalizers& normalizers, std::vector<std::string>& notes) {
  if (!section) return;
  next_id_ = static_cast<int64_t>(vocab.size());
  if (!section->is_array()) fail("{}: added_tokens: expected a list", where);
  for (const Json& entry : *section) add(JsonObject(entry, where + ": added_tokens"), vocab, notes);
  for (const bool special_first : {true, false}) {
    for (size_t i = 0; i < tokens_.size(); ++i) {
      Token& token = tokens_[i];
      if (is_special(token.content) != special_first) continue;
      token.decoded = token.content;
      if (token.normalized) {
        Normalized spelling{token.content, true};
        normalize(normalizers, spelling);
        token.decoded = std::move(spelling.text);
        normalized_.insert(token.decoded, static_cast<int32_t>(i));
      } else {
        raw_.insert(token.content, static_cast<int32_t>(i));
      }
    }
  }
}

/// The library does not read ids from the file: a token that the model knows has the model's id, another has the next
/// free one.
void AddedTokens::add(const JsonObject& entry, const Vocabulary& vocab, std::vector<std::string>& notes) {
  Token token;
  token.content = entry.string("content");
  const int64_t declared = entry.integer("id");
  if (declared < 0 || declared >= INT32_MAX) entry.refuse("id", "an id from 0 to 2147483646");
  token.single_word = entry.boolean_or("single_word", false);
  token.lstrip = entry.boolean_or("lstrip", false);
  token.rstrip = entry.boolean_or("rstrip", false);
  const bool special = entry.boolean_or("special", false);
  token.normalized = entry.boolean_or("normalized", !special);
  if (token.content.empty()) return;
  if (token.content.size() > kMaxContent) {
    fail("{}: a token of {} bytes, expected at most {}", entry.where(), token.content.size(), kMaxContent);
  }
  if (special) special_.insert(token.content);

  const auto known = by_content_.find(token.content);
  if (known != by_content_.end()) {
    token.id = tokens_[known->second].id;
    tokens_[known->second] = std::move(token);
    return;
  }
  token.id = vocab.find(token.content);
  if (token.id < 0) {
    if (next_id_ >= INT32_MAX) fail("{}: no id is left for \"{}\"", entry.where(), token.content);
    token.id = static_cast<int32_t>(next_id_++);
  }
  id_limit_ = std::max(id_limit_, int64_t{token.id} + 1);
  if (token.id != declared) {
    notes.push_back(fmt::format("{}: token \"{}\" is listed with id {}, but takes id {} as in the tokenizers library",
                                entry.where(), token.content, declared, token.id));
  }
  by_content_[token.content] = tokens_.size();
  by_id_[token.id] = tokens_.size();
  tokens_.push_back(std::move(token));
}

/// Tokens and gaps, in order. Leftmost and longest first, over all tokens at once: a match that is refused still hides
/// the shorter ones inside it.
std::vector<AddedTokens::Found> AddedTokens::find_all(std::string_view text, const ByteTrie& trie,
                                                      bool parse_special) const {
  std::vector<Found> found;
  size_t done = 0;
  for (size_t at = 0; at < text.size() && !trie.empty();) {
    const ByteTrie::Match match = trie.longest(text.substr(at));
    if (match.length == 0) {
      ++at;
      continue;
    }
    Span span{at, at + match.length};
    at = span.end;
    const Token& token = tokens_[match.value];
    if (!parse_special && is_special(token.content)) continue;
    if (token.single_word && !stands_alone(text, span)) continue;
    if (token.lstrip) span.begin = skip_space_left(text, span.begin, done);
    if (token.rstrip) span.end = skip_space_right(text, span.end);
    if (done < span.begin) found.push_back({{done, span.begin}, kText});
    found.push_back({span, token.id});
    done = span.end;
  }
  if (done < text.size()) found.push_back({{done, text.size()}, kText});
  return found;
}

Pieces AddedTokens::cut(std::string_view text, const Normalizers& normalizers, bool parse_special) const {
  Pieces pieces;
  pieces.limit = growth_limit(text.size());
  const auto push_token = [&](int32_t id) { pieces.list.push_back({pieces.text.size(), pieces.text.size(), id}); };
  for (const Found& raw : find_all(text, raw_, parse_special)) {
    if (raw.id != kText) {
      push_token(raw.id);
      continue;
    }
    Normalized part{std::string(text.substr(raw.span.begin, raw.span.end - raw.span.begin)), raw.span.begin == 0};
    normalize(normalizers, part);
    for (const Found& inner : find_all(part.text, normalized_, parse_special)) {
      if (inner.id != kText) {
        push_token(inner.id);
        continue;
      }
      const size_t begin = pieces.text.size();
      pieces.text.append(part.text, inner.span.begin, inner.span.end - inner.span.begin);
      pieces.list.push_back({begin, pieces.text.size(), kText, part.at_start && inner.span.begin == 0});
    }
    if (pieces.text.size() > pieces.limit) fail("normalizers make a text of {} bytes too long", text.size());
  }
  return pieces;
}

std::optional<int32_t> AddedTokens::find(const std::string& content) const {
  const auto found = by_content_.find(content);
  if (found == by_content_.end()) return std::nullopt;
  return tokens_[found->second].id;
}

const std::string* AddedTokens::content(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second].content;
}

const std::string* AddedTokens::decoded(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second].decoded;
}

}  // namespace assay::text

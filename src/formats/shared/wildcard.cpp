#include "formats/shared/wildcard.h"

#include <cstddef>

namespace assay {

namespace {

/// Length of the element of a pattern at its start: a set, or one character.
size_t element_length(std::string_view pattern) {
  if (pattern[0] != '[') return 1;
  // A bracket that closes at once is a member.
  const size_t first = pattern.size() > 1 && pattern[1] == '!' ? 2 : 1;
  const size_t close = pattern.find(']', first + 1);
  return close == std::string_view::npos ? 1 : close + 1;
}

bool set_contains(std::string_view members, char c) {
  const bool negated = members.starts_with('!');
  if (negated) members.remove_prefix(1);
  bool found = false;
  for (size_t i = 0; i < members.size(); ++i) {
    if (i + 2 < members.size() && members[i + 1] == '-') {
      found = found || (members[i] <= c && c <= members[i + 2]);
      i += 2;
    } else {
      found = found || members[i] == c;
    }
  }
  return found != negated;
}

bool element_matches(std::string_view element, char c) {
  if (element.size() > 1) return set_contains(element.substr(1, element.size() - 2), c);
  return element[0] == '?' || element[0] == c;
}

}  // namespace

bool matches_wildcard(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0;
  // Where to go on when something does not match: after the last star, which takes one character more each time.
  size_t star = std::string_view::npos, taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      taken = t;
      continue;
    }
    if (p < pattern.size()) {
      const size_t length = element_length(pattern.substr(p));
      if (element_matches(pattern.substr(p, length), text[t])) {
        p += length;
        ++t;
        continue;
      }
    }
    if (star == std::string_view::npos) return false;
    p = star;
    t = ++taken;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace assay

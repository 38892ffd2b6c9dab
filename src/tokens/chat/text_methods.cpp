#include <utf8proc.h>

#include <algorithm>
#include <unordered_map>

#include "tokens/chat/builtins.h"
#include "tokens/chat/text.h"

// Methods of texts, as those of Python's str.
namespace assay::jinja {

namespace {

constexpr size_t kNone = std::string_view::npos;

/// The text itself, its reading paid for.
std::string_view read(const Value& self, Budget& budget) {
  const std::string& string = *self.string();
  budget.scan(string.size());
  return string;
}

Value made(std::string_view text, const Value& self, Budget& budget) {
  budget.text(text.size());
  return Value(std::string(text), self.safe());
}

std::string_view text_argument(std::string_view function, const Value& value) {
  if (!value.string()) fail("{}() needs a str, found {}", function, value.type_name());
  return *value.string();
}

int64_t integer_argument(std::string_view function, const Value& value, int64_t otherwise) {
  if (value.is_undefined()) return otherwise;
  if (!value.is_integer()) fail("{}() needs an integer, found {}", function, value.type_name());
  return value.integer();
}

template <text::Side side>
Value strip(const Value& self, const Arguments& arguments, Budget& budget) {
  const Value characters = arguments.bind("strip", {"chars"})[0];
  if (characters.is_undefined() || characters.is_none())
    return made(text::strip(read(self, budget), side), self, budget);
  const std::string_view set = text_argument("strip", characters);
  const std::string_view all = read(self, budget);
  budget.step(static_cast<int64_t>(all.size() / 64 * set.size()));
  return set.empty() ? self : made(text::strip(all, side, set), self, budget);
}

/// Pieces are collected from the right when `from_right`, then put in order.
class Splitter {
 public:
  Splitter(const Value& self, int64_t limit, Budget& budget) : self_(self), limit_(limit), budget_(budget) {}
  bool full() const { return limit_ >= 0 && static_cast<int64_t>(pieces_.size()) >= limit_; }
  void add(std::string_view piece) {
    budget_.items(1);
    pieces_.push_back(made(piece, self_, budget_));
  }
  std::vector<Value>& pieces() { return pieces_; }

 private:
  const Value& self_;
  int64_t limit_;
  Budget& budget_;
  std::vector<Value> pieces_;
};

void split_at_spaces(Splitter& out, std::string_view rest) {
  rest = text::strip(rest, text::Side::left);
  while (!rest.empty() && !out.full()) {
    size_t end = 0;
    while (end < rest.size()) {
      size_t at = end;
      if (text::is_space(text::next_code_point(rest, at))) break;
      end = at;
    }
    out.add(rest.substr(0, end));
    rest = text::strip(rest.substr(end), text::Side::left);
  }
  if (!rest.empty()) out.add(rest);
}

Value split(const Value& self, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("split", {"sep", "maxsplit"});
  Splitter out(self, integer_argument("split", given[1], -1), budget);
  std::string_view rest = read(self, budget);
  if (given[0].is_undefined() || given[0].is_none()) {
    split_at_spaces(out, rest);
    return Value::list(std::move(out.pieces()));
  }
  const std::string_view separator = text_argument("split", given[0]);
  if (separator.empty()) fail("split(): empty separator");
  for (size_t hit; !out.full() && (hit = text::find(rest, separator)) != kNone;) {
    out.add(rest.substr(0, hit));
    rest.remove_prefix(hit + separator.size());
  }
  out.add(rest);
  return Value::list(std::move(out.pieces()));
}

size_t find_last(std::string_view text, std::string_view what, Budget& budget) {
  // Overlapping hits move one byte at a time, each may read the whole needle.
  budget.step(static_cast<int64_t>(text.size() / 64 * (1 + what.size() / 64)));
  return text.rfind(what);
}

Value rsplit(const Value& self, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("rsplit", {"sep", "maxsplit"}, 1);
  const std::string_view separator = text_argument("rsplit", given[0]);
  if (separator.empty()) fail("rsplit(): empty separator");
  Splitter out(self, integer_argument("rsplit", given[1], -1), budget);
  std::string_view rest = read(self, budget);
  for (size_t hit; !out.full() && (hit = find_last(rest, separator, budget)) != kNone;) {
    out.add(rest.substr(hit + separator.size()));
    rest = rest.substr(0, hit);
  }
  out.add(rest);
  std::reverse(out.pieces().begin(), out.pieces().end());
  return Value::list(std::move(out.pieces()));
}

template <bool from_right>
Value partition(const Value& self, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("partition", {"sep"}, 1);
  const std::string_view all = read(self, budget), separator = text_argument("partition", given[0]);
  if (separator.empty()) fail("partition(): empty separator");
  const size_t hit = from_right ? find_last(all, separator, budget) : text::find(all, separator);
  const Value empty = Value::text("");
  if (hit == kNone) {
    return from_right ? Value::list({empty, empty, self}, true) : Value::list({self, empty, empty}, true);
  }
  return Value::list({made(all.substr(0, hit), self, budget), made(separator, self, budget),
                      made(all.substr(hit + separator.size()), self, budget)},
                     true);
}

Value splitlines(const Value& self, const Arguments& arguments, Budget& budget) {
  const bool keep_ends = arguments.bind("splitlines", {"keepends"})[0].truthy();
  const auto ends_line = [](char32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  const std::string_view all = read(self, budget);
  Splitter out(self, -1, budget);
  size_t begin = 0;
  for (size_t at = 0; at < all.size();) {
    const size_t end = at;
    const char32_t c = text::next_code_point(all, at);
    if (!ends_line(c)) continue;
    if (c == '\r' && at < all.size() && all[at] == '\n') ++at;
    out.add(all.substr(begin, (keep_ends ? at : end) - begin));
    begin = at;
  }
  if (begin < all.size()) out.add(all.substr(begin));
  return Value::list(std::move(out.pieces()));
}

/// Whether `matches` holds for the argument, or for one of a tuple of them.
template <class Matches>
Value any_affix(std::string_view function, const Arguments& arguments, Matches matches) {
  const Value given = arguments.bind(function, {"prefix"}, 1)[0];
  const List* list = given.list();
  if (!list || !list->tuple) return matches(text_argument(function, given));
  return std::any_of(list->items.begin(), list->items.end(),
                     [&](const Value& item) { return matches(text_argument(function, item)); });
}

Value startswith(const Value& self, const Arguments& arguments, Budget&) {
  return any_affix("startswith", arguments, [&](auto affix) { return self.string()->starts_with(affix); });
}

Value endswith(const Value& self, const Arguments& arguments, Budget&) {
  return any_affix("endswith", arguments, [&](auto affix) { return self.string()->ends_with(affix); });
}

Value removeprefix(const Value& self, const Arguments& arguments, Budget& budget) {
  const Value prefix = arguments.bind("removeprefix", {"prefix"}, 1)[0];
  const std::string_view all = read(self, budget), affix = text_argument("removeprefix", prefix);
  return all.starts_with(affix) ? made(all.substr(affix.size()), self, budget) : self;
}

Value removesuffix(const Value& self, const Arguments& arguments, Budget& budget) {
  const Value suffix = arguments.bind("removesuffix", {"suffix"}, 1)[0];
  const std::string_view all = read(self, budget), affix = text_argument("removesuffix", suffix);
  return all.ends_with(affix) ? made(all.substr(0, all.size() - affix.size()), self, budget) : self;
}

Value replace(const Value& self, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("replace", {"old", "new", "count"}, 2);
  const std::string_view all = read(self, budget);
  const std::string_view old = text_argument("replace", given[0]), with = text_argument("replace", given[1]);
  int64_t left = given[2].is_none() ? -1 : integer_argument("replace", given[2], -1);
  TextBuilder out(budget);
  size_t begin = 0;
  for (; left != 0; --left) {
    budget.step();
    if (old.empty()) {  // between all characters, and at both ends
      out += with;
      if (begin == all.size()) break;
      size_t end = begin;
      text::next_code_point(all, end);
      out += all.substr(begin, end - begin);
      begin = end;
      continue;
    }
    const size_t hit = text::find(all, old, begin);
    if (hit == kNone) break;
    out += all.substr(begin, hit - begin);
    out += with;
    begin = hit + old.size();
  }
  out += all.substr(begin);
  return Value(out.take(), self.safe());
}

Value join(const Value& self, const Arguments& arguments, Budget& budget) {
  const Value items = arguments.bind("join", {"iterable"}, 1)[0];
  TextBuilder out(budget);
  bool first = true;
  for (const Value& item : iterate(items, budget)) {
    if (!first) out += *self.string();
    first = false;
    out += text_argument("join", item);
  }
  return Value(out.take(), self.safe());
}

template <bool from_right>
Value find(const Value& self, const Arguments& arguments, Budget& budget) {
  const Value what = arguments.bind("find", {"sub"}, 1)[0];
  const std::string_view all = read(self, budget), needle = text_argument("find", what);
  const size_t hit = from_right ? find_last(all, needle, budget) : text::find(all, needle);
  return hit == kNone ? int64_t{-1} : text::code_point_count(all.substr(0, hit));
}

template <bool from_right>
Value index(const Value& self, const Arguments& arguments, Budget& budget) {
  const Value found = find<from_right>(self, arguments, budget);
  if (found.integer() < 0) fail("index(): substring not found");
  return found;
}

Value count(const Value& self, const Arguments& arguments, Budget& budget) {
  const Value what = arguments.bind("count", {"sub"}, 1)[0];
  const std::string_view all = read(self, budget), needle = text_argument("count", what);
  if (needle.empty()) return text::code_point_count(all) + 1;
  int64_t hits = 0;
  for (size_t at = 0; (at = text::find(all, needle, at)) != kNone; at += needle.size()) ++hits;
  return hits;
}

template <std::string (*convert)(std::string_view)>
Value converted(const Value& self, const Arguments& arguments, Budget& budget) {
  arguments.bind("upper/lower/capitalize", {});
  return made(convert(read(self, budget)), self, budget);
}

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}
bool is_alpha(char32_t c) {
  return category(c) >= UTF8PROC_CATEGORY_LU && category(c) <= UTF8PROC_CATEGORY_LO;
}
bool is_digit(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_ND;
}
bool is_alnum(char32_t c) {
  return is_alpha(c) || (category(c) >= UTF8PROC_CATEGORY_ND && category(c) <= UTF8PROC_CATEGORY_NO);
}
bool is_upper(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LU;
}
bool is_lower(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LL;
}
bool is_cased(char32_t c) {
  return is_upper(c) || is_lower(c) || category(c) == UTF8PROC_CATEGORY_LT;
}

/// str.title(): each run of letters begins with a capital.
Value title(const Value& self, const Arguments& arguments, Budget& budget) {
  arguments.bind("title", {});
  const std::string_view all = read(self, budget);
  std::string out;
  bool inside = false;
  for (size_t at = 0; at < all.size();) {
    const char32_t c = text::next_code_point(all, at);
    const auto code = static_cast<utf8proc_int32_t>(c);
    text::append_utf8(out, static_cast<char32_t>(inside ? utf8proc_tolower(code) : utf8proc_totitle(code)));
    inside = is_cased(c);
  }
  return made(out, self, budget);
}

/// At least one character, and all of them are `is`.
template <bool (*is)(char32_t)>
Value all_are(const Value& self, const Arguments& arguments, Budget& budget) {
  arguments.bind("isalpha/isdigit/...", {});
  const std::string_view all = read(self, budget);
  for (size_t at = 0; at < all.size();) {
    if (!is(text::next_code_point(all, at))) return false;
  }
  return !all.empty();
}

/// At least one cased character, and all cased ones are `is`.
template <bool (*is)(char32_t)>
Value cased_are(const Value& self, const Arguments& arguments, Budget& budget) {
  arguments.bind("isupper/islower", {});
  const std::string_view all = read(self, budget);
  bool any = false;
  for (size_t at = 0; at < all.size();) {
    const char32_t c = text::next_code_point(all, at);
    if (is_cased(c) && !is(c)) return false;
    any = any || is(c);
  }
  return any;
}

}  // namespace

Method find_text_method(std::string_view name) {
  static const std::unordered_map<std::string_view, Method> kMethods = {
      {"strip", strip<text::Side::both>},
      {"lstrip", strip<text::Side::left>},
      {"rstrip", strip<text::Side::right>},
      {"split", split},
      {"rsplit", rsplit},
      {"partition", partition<false>},
      {"rpartition", partition<true>},
      {"splitlines", splitlines},
      {"startswith", startswith},
      {"endswith", endswith},
      {"removeprefix", removeprefix},
      {"removesuffix", removesuffix},
      {"replace", replace},
      {"join", join},
      {"find", find<false>},
      {"rfind", find<true>},
      {"index", index<false>},
      {"rindex", index<true>},
      {"count", count},
      {"upper", converted<text::upper>},
      {"lower", converted<text::lower>},
      {"capitalize", converted<text::capitalize>},
      {"title", title},
      {"isalpha", all_are<is_alpha>},
      {"isdigit", all_are<is_digit>},
      {"isalnum", all_are<is_alnum>},
      {"isspace", all_are<text::is_space>},
      {"isupper", cased_are<is_upper>},
      {"islower", cased_are<is_lower>},
  };
  const auto it = kMethods.find(name);
  return it == kMethods.end() ? nullptr : it->second;
}

}  // namespace assay::jinja

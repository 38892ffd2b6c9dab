#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "tokens/chat/builtins.h"
#include "tokens/chat/operations.h"
#include "tokens/chat/text.h"

// Filters of sequences. Python's are often lazy; here they are lists, which templates cannot tell apart.
namespace assay::jinja {

namespace {

using Filter = Value (*)(const Value& input, const Arguments& arguments, Budget& budget);

Value made(std::vector<Value> items, Budget& budget) {
  budget.items(items.size());
  return Value::list(std::move(items));
}

/// The attribute `a.b.0` of an item: names and indices separated by dots.
Value attribute_path(Value value, const Value& path, Budget& budget) {
  if (path.is_integer()) return subscript(value, path, budget);
  if (!path.string()) fail("an attribute must be named by a text or an index, found {}", path.type_name());
  std::string_view rest = *path.string();
  while (true) {
    const size_t dot = rest.find('.');
    const std::string part(rest.substr(0, dot));
    int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool number = !part.empty() && error == std::errc() && end == part.data() + part.size();
    value = subscript(value, number ? Value(index) : Value(part), budget);
    if (dot == std::string_view::npos) return value;
    rest.remove_prefix(dot + 1);
  }
}

Value length(const Value& input, const Arguments& arguments, Budget&) {
  arguments.bind("length", {});
  if (const auto* string = input.string()) return text::code_point_count(*string);
  if (const auto* list = input.list()) return static_cast<int64_t>(list->items.size());
  if (const auto* dict = input.dict()) return static_cast<int64_t>(dict->entries.size());
  if (!input.is_undefined()) fail("object of type '{}' has no length", input.type_name());
  return int64_t{0};
}

Value list(const Value& input, const Arguments& arguments, Budget& budget) {
  arguments.bind("list", {});
  return Value::list(iterate(input, budget));
}

Value first(const Value& input, const Arguments& arguments, Budget& budget) {
  arguments.bind("first", {});
  const auto items = iterate(input, budget);
  return items.empty() ? Value::undefined("the first item of an empty sequence") : items.front();
}

Value last(const Value& input, const Arguments& arguments, Budget& budget) {
  arguments.bind("last", {});
  const auto items = iterate(input, budget);
  return items.empty() ? Value::undefined("the last item of an empty sequence") : items.back();
}

Value join(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("join", {"d", "attribute"});
  const std::string separator = to_text(given[0], budget);
  TextBuilder out(budget);
  bool begun = false;
  for (const Value& item : iterate(input, budget)) {
    if (begun) out += separator;
    begun = true;
    out += to_text(given[1].is_undefined() ? item : attribute_path(item, given[1], budget), budget);
  }
  return Value(out.take());
}

Value reverse(const Value& input, const Arguments& arguments, Budget& budget) {
  arguments.bind("reverse", {});
  auto items = iterate(input, budget);
  std::reverse(items.begin(), items.end());
  if (!input.string()) return Value::list(std::move(items));
  std::string text;
  for (const Value& item : items) text += *item.string();
  return Value(std::move(text));
}

/// What sort, unique, min and max compare: an attribute of the item, in lower case unless case matters.
Value sort_key(const Value& item, const Value& attribute, const Value& case_sensitive, Budget& budget) {
  const Value key = attribute.is_undefined() || attribute.is_none() ? item : attribute_path(item, attribute, budget);
  return key.string() && !case_sensitive.truthy() ? Value(text::lower(*key.string())) : key;
}

/// Items with their keys, in ascending order of the keys.
std::vector<std::pair<Value, Value>> keyed(const Value& input, const Value& attribute, const Value& case_sensitive,
                                           Budget& budget) {
  std::vector<std::pair<Value, Value>> out;
  for (const Value& item : iterate(input, budget)) {
    budget.items(2);
    out.emplace_back(sort_key(item, attribute, case_sensitive, budget), item);
  }
  return out;
}

Value sort(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("sort", {"reverse", "case_sensitive", "attribute"});
  auto pairs = keyed(input, given[2], given[1], budget);
  const bool descending = given[0].truthy();
  std::stable_sort(pairs.begin(), pairs.end(), [&](const auto& a, const auto& b) {
    return descending ? less(b.first, a.first, budget) : less(a.first, b.first, budget);
  });
  std::vector<Value> items;
  for (auto& [key, item] : pairs) items.push_back(std::move(item));
  return Value::list(std::move(items));
}

Value unique(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("unique", {"case_sensitive", "attribute"});
  std::vector<Value> seen, kept;
  for (const auto& [key, item] : keyed(input, given[1], given[0], budget)) {
    if (std::any_of(seen.begin(), seen.end(), [&](const Value& other) { return equal(other, key, budget); })) continue;
    seen.push_back(key);
    kept.push_back(item);
  }
  return made(std::move(kept), budget);
}

template <bool greatest>
Value extreme(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind(greatest ? "max" : "min", {"case_sensitive", "attribute"});
  const auto pairs = keyed(input, given[1], given[0], budget);
  if (pairs.empty()) return Value::undefined("the extreme of an empty sequence");
  size_t best = 0;
  for (size_t i = 1; i < pairs.size(); ++i) {
    const bool better =
        greatest ? less(pairs[best].first, pairs[i].first, budget) : less(pairs[i].first, pairs[best].first, budget);
    if (better) best = i;
  }
  return pairs[best].second;
}

Value sum(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("sum", {"attribute", "start"});
  Value total = given[1].is_undefined() ? Value(int64_t{0}) : given[1];
  for (const Value& item : iterate(input, budget)) {
    const bool plain = given[0].is_undefined() || given[0].is_none();
    total = binary(BinaryOp::add, total, plain ? item : attribute_path(item, given[0], budget), budget);
  }
  return total;
}

/// Arguments after the first `count` ones.
Arguments rest_of(const Arguments& arguments, size_t count) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(), rest.positional.begin() + static_cast<std::ptrdiff_t>(count));
  return rest;
}

std::string name_argument(std::string_view filter, const Arguments& arguments, size_t index) {
  if (index >= arguments.positional.size() || !arguments.positional[index].string()) {
    fail("{}() needs a name as argument {}", filter, index + 1);
  }
  return *arguments.positional[index].string();
}

Value map(const Value& input, const Arguments& arguments, Budget& budget) {
  std::vector<Value> out;
  const auto items = iterate(input, budget);
  if (arguments.positional.empty()) {
    const auto given = arguments.bind("map", {"attribute", "default"}, 1);
    for (const Value& item : items) {
      Value value = attribute_path(item, given[0], budget);
      out.push_back(value.is_undefined() && !given[1].is_undefined() ? given[1] : std::move(value));
    }
    return made(std::move(out), budget);
  }
  const std::string filter = name_argument("map", arguments, 0);
  const Arguments rest = rest_of(arguments, 1);
  for (const Value& item : items) out.push_back(apply_filter(filter, item, rest, budget));
  return made(std::move(out), budget);
}

/// select, reject, selectattr, rejectattr: items that pass a test, or whose attribute passes it.
template <bool of_attribute, bool wanted>
Value select(const Value& input, const Arguments& arguments, Budget& budget) {
  const size_t fixed = of_attribute ? 1 : 0;
  if (arguments.positional.size() < fixed) fail("selectattr() and rejectattr() need the name of an attribute");
  const bool tested = arguments.positional.size() > fixed;
  const std::string test = tested ? name_argument("select", arguments, fixed) : "";
  const Arguments rest = rest_of(arguments, tested ? fixed + 1 : fixed);
  std::vector<Value> kept;
  for (const Value& item : iterate(input, budget)) {
    const Value value = of_attribute ? attribute_path(item, arguments.positional[0], budget) : item;
    const bool passes = tested ? apply_test(test, value, rest, budget) : value.truthy();
    if (passes == wanted) kept.push_back(item);
  }
  return made(std::move(kept), budget);
}

}  // namespace

std::optional<Value> apply_sequence_filter(const std::string& name, const Value& input, const Arguments& arguments,
                                           Budget& budget) {
  static const std::unordered_map<std::string_view, Filter> kFilters = {
      {"count", length},
      {"first", first},
      {"join", join},
      {"last", last},
      {"length", length},
      {"list", list},
      {"map", map},
      {"max", extreme<true>},
      {"min", extreme<false>},
      {"reject", select<false, false>},
      {"rejectattr", select<true, false>},
      {"reverse", reverse},
      {"select", select<false, true>},
      {"selectattr", select<true, true>},
      {"sort", sort},
      {"sum", sum},
      {"unique", unique},
  };
  const auto it = kFilters.find(name);
  if (it == kFilters.end()) return std::nullopt;
  return it->second(input, arguments, budget);
}

}  // namespace assay::jinja

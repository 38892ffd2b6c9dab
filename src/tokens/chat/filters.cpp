#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "tokens/chat/builtins.h"
#include "tokens/chat/operations.h"
#include "tokens/chat/text.h"

// Filters of single values and texts; those of sequences are in sequence_filters.cpp.
namespace assay::jinja {

namespace {

using Filter = Value (*)(const Value& input, const Arguments& arguments, Budget& budget);

/// str(input), which keeps a text marked as safe.
Value soft_text(const Value& input, Budget& budget) {
  return input.string() ? input : Value(to_text(input, budget));
}

/// The text method of the same name, on str(input).
Value text_method(const char* name, const Value& input, const Arguments& arguments, Budget& budget) {
  return find_text_method(name)(soft_text(input, budget), arguments, budget);
}

Value upper(const Value& input, const Arguments& arguments, Budget& budget) {
  return text_method("upper", input, arguments, budget);
}
Value lower(const Value& input, const Arguments& arguments, Budget& budget) {
  return text_method("lower", input, arguments, budget);
}
Value capitalize(const Value& input, const Arguments& arguments, Budget& budget) {
  return text_method("capitalize", input, arguments, budget);
}
Value replace(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("replace", {"old", "new", "count"}, 2);
  Arguments texts{{soft_text(given[0], budget), soft_text(given[1], budget)}, {}};
  if (!given[2].is_undefined()) texts.positional.push_back(given[2]);
  return text_method("replace", input, texts, budget);
}

Value trim(const Value& input, const Arguments& arguments, Budget& budget) {
  const Value characters = arguments.bind("trim", {"chars"})[0];
  return text_method("strip", input, characters.is_undefined() ? Arguments{} : Arguments{{characters}, {}}, budget);
}

/// Words begin at the start and after white space, -, (, {, [ and <.
Value title(const Value& input, const Arguments& arguments, Budget& budget) {
  arguments.bind("title", {});
  const std::string all = to_text(input, budget);
  budget.scan(all.size());
  std::string out;
  bool begins = true;
  for (size_t at = 0; at < all.size();) {
    const size_t begin = at;
    const char32_t c = text::next_code_point(all, at);
    const std::string_view character = std::string_view(all).substr(begin, at - begin);
    out += begins ? text::upper(character) : text::lower(character);
    begins =
        text::is_space(c) || (c < 0x80 && std::string_view("-({[<").find(static_cast<char>(c)) != std::string::npos);
  }
  budget.text(out.size());
  return Value(std::move(out));
}

Value indent(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("indent", {"width", "first", "blank"});
  std::string padding = "    ";
  if (given[0].string()) padding = *given[0].string();
  if (given[0].is_integer()) {
    if (given[0].integer() > 1000) fail("indent({}): more than 1000 spaces", given[0].integer());
    padding.assign(static_cast<size_t>(std::max<int64_t>(given[0].integer(), 0)), ' ');
  }
  const std::string all = to_text(input, budget) + "\n";
  TextBuilder out(budget);
  if (given[1].truthy()) out += padding;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = all.find('\n', begin);
    if (begin > 0) {
      out += "\n";
      if (end > begin || given[2].truthy()) out += padding;
    }
    out += std::string_view(all).substr(begin, end - begin);
    begin = end + 1;
  }
  return Value(out.take());
}

Value string(const Value& input, const Arguments& arguments, Budget& budget) {
  arguments.bind("string", {});
  return soft_text(input, budget);
}

Value safe(const Value& input, const Arguments& arguments, Budget& budget) {
  arguments.bind("safe", {});
  return Value(to_text(input, budget), true);
}

Value escape(const Value& input, const Arguments& arguments, Budget& budget) {
  arguments.bind("escape", {});
  return input.safe() ? input : Value(escape_html(to_text(input, budget), budget), true);
}

Value default_(const Value& input, const Arguments& arguments, Budget&) {
  const auto given = arguments.bind("default", {"default_value", "boolean"});
  const bool replaced = input.is_undefined() || (given[1].truthy() && !input.truthy());
  if (!replaced) return input;
  return given[0].is_undefined() ? Value::text("") : given[0];
}

Value tojson(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii_only = given[0].truthy();
  if (given[1].is_integer()) style.indent = std::max<int64_t>(given[1].integer(), 0);
  if (const List* separators = given[2].list()) {
    if (separators->items.size() != 2 || !separators->items[0].string() || !separators->items[1].string()) {
      fail("tojson(): separators must be two texts");
    }
    style.item_separator = *separators->items[0].string();
    style.key_separator = *separators->items[1].string();
  }
  style.sort_keys = given[3].truthy();
  return Value(to_json(input, style, budget));
}

/// The number that a text spells, as int() or float() read it; nothing when it spells none.
template <class Number>
std::optional<Number> parsed(std::string_view text) {
  text = text::strip(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<int64_t> truncated(double number) {
  if (!(std::abs(number) < 9e18)) return std::nullopt;
  return static_cast<int64_t>(number);
}

Value int_(const Value& input, const Arguments& arguments, Budget&) {
  const Value otherwise = arguments.bind("int", {"default"})[0];
  std::optional<int64_t> number;
  if (input.is_integer()) number = input.integer();
  if (const double* real = input.get_if<double>()) number = truncated(*real);
  if (const auto* string = input.string()) {
    number = parsed<int64_t>(*string);
    const auto real = number ? std::nullopt : parsed<double>(*string);
    if (real) number = truncated(*real);
  }
  if (number) return *number;
  return otherwise.is_undefined() ? Value(int64_t{0}) : otherwise;
}

Value float_(const Value& input, const Arguments& arguments, Budget&) {
  const Value otherwise = arguments.bind("float", {"default"})[0];
  if (input.is_number()) return input.real();
  const auto number = input.string() ? parsed<double>(*input.string()) : std::nullopt;
  if (number) return *number;
  return otherwise.is_undefined() ? Value(0.0) : otherwise;
}

Value abs(const Value& input, const Arguments& arguments, Budget& budget) {
  arguments.bind("abs", {});
  if (!input.is_number()) fail("bad operand type for abs(): '{}'", input.type_name());
  const bool negative = input.is_integer() ? input.integer() < 0 : std::signbit(input.real());
  return negative ? unary(UnaryOp::negate, input) : binary(BinaryOp::add, input, Value(int64_t{0}), budget);
}

Value round(const Value& input, const Arguments& arguments, Budget&) {
  const auto given = arguments.bind("round", {"precision", "method"});
  if (!input.is_number()) fail("type {} cannot be rounded", input.type_name());
  const int64_t precision = given[0].is_integer() ? given[0].integer() : 0;
  if (precision < -20 || precision > 20) fail("round({}): precision beyond 20 digits", precision);
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const std::string method = given[1].string() ? *given[1].string() : "common";
  const double scaled = input.real() * scale;
  if (method == "ceil") return std::ceil(scaled) / scale;
  if (method == "floor") return std::floor(scaled) / scale;
  if (method != "common") fail("round(): method must be common, ceil or floor, found '{}'", method);
  if (input.is_integer() && precision >= 0) return input.integer();
  if (precision < 0) {
    const double rounded = std::nearbyint(scaled) / scale;
    return input.is_integer() && std::abs(rounded) < 9e15 ? Value(static_cast<int64_t>(rounded)) : Value(rounded);
  }
  const std::string decimal = fmt::format("{:.{}f}", input.real(), precision);
  return parsed<double>(decimal).value_or(input.real());
}

Value items(const Value& input, const Arguments& arguments, Budget& budget) {
  arguments.bind("items", {});
  if (input.is_undefined()) return Value::list({});
  if (!input.dict()) fail("can only get the items of a dict, found {}", input.type_name());
  std::vector<Value> pairs;
  for (const auto& [key, value] : input.dict()->entries) {
    budget.items(3);
    pairs.push_back(Value::list({key, value}, true));
  }
  return Value::list(std::move(pairs));
}

Value dictsort(const Value& input, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("dictsort", {"case_sensitive", "by", "reverse"});
  const Value pairs = items(input, {}, budget);
  const bool by_value = given[1].string() && *given[1].string() == "value";
  const auto key = [&](const Value& pair) {
    const Value& part = pair.list()->items[by_value ? 1 : 0];
    return part.string() && !given[0].truthy() ? Value(text::lower(*part.string())) : part;
  };
  std::vector<Value> sorted = pairs.list()->items;
  const bool descending = given[2].truthy();
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Value& a, const Value& b) {
    return descending ? less(key(b), key(a), budget) : less(key(a), key(b), budget);
  });
  return Value::list(std::move(sorted));
}

const std::unordered_map<std::string_view, Filter>& value_filters() {
  static const std::unordered_map<std::string_view, Filter> kFilters = {
      {"abs", abs},          {"capitalize", capitalize}, {"d", default_},
      {"default", default_}, {"dictsort", dictsort},     {"e", escape},
      {"escape", escape},    {"float", float_},          {"indent", indent},
      {"int", int_},         {"items", items},           {"lower", lower},
      {"replace", replace},  {"round", round},           {"safe", safe},
      {"string", string},    {"title", title},           {"tojson", tojson},
      {"trim", trim},        {"upper", upper},
  };
  return kFilters;
}

}  // namespace

Value apply_filter(const std::string& name, const Value& input, const Arguments& arguments, Budget& budget) {
  budget.step();
  if (const auto* string = input.string()) budget.scan(string->size());
  const auto it = value_filters().find(name);
  if (it != value_filters().end()) return it->second(input, arguments, budget);
  if (auto result = apply_sequence_filter(name, input, arguments, budget)) return *result;
  fail("there is no filter named '{}'", name);
}

}  // namespace assay::jinja

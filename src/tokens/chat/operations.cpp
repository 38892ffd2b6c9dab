#include "tokens/chat/operations.h"

#include <algorithm>
#include <cmath>

#include "tokens/chat/builtins.h"
#include "tokens/chat/text.h"

namespace assay::jinja {

namespace {

std::string_view symbol(BinaryOp op) {
  static constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kSymbols[static_cast<size_t>(op)];
}

[[noreturn]] void unsupported(std::string_view symbol, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (const auto* undefined = value->get_if<Undefined>()) fail("{} is undefined", undefined->what);
  }
  fail("unsupported operand types for {}: '{}' and '{}'", symbol, a.type_name(), b.type_name());
}

int64_t floor_divide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::optional<int64_t> power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) return std::nullopt;
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return std::nullopt;
  }
  return result;
}

/// Nothing where the result needs more than 64 bits.
std::optional<int64_t> exact(BinaryOp op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case BinaryOp::add:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case BinaryOp::subtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case BinaryOp::multiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case BinaryOp::floor_divide:
      overflow = a == INT64_MIN && b == -1;
      if (!overflow) result = floor_divide(a, b);
      break;
    case BinaryOp::modulo:
      result = b == -1 ? 0 : a - b * floor_divide(a, b);
      break;
    default:
      return power(a, b);
  }
  return overflow ? std::nullopt : std::optional(result);
}

double approximate(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::add:
      return a + b;
    case BinaryOp::subtract:
      return a - b;
    case BinaryOp::multiply:
      return a * b;
    case BinaryOp::divide:
      return a / b;
    case BinaryOp::floor_divide:
      return std::floor(a / b);
    case BinaryOp::modulo: {
      const double rest = std::fmod(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    default:
      return std::pow(a, b);
  }
}

Value arithmetic(BinaryOp op, const Value& a, const Value& b) {
  const bool divides = op == BinaryOp::divide || op == BinaryOp::floor_divide || op == BinaryOp::modulo;
  if (divides && b.real() == 0) fail("division by zero");
  const bool integers = a.is_integer() && b.is_integer();
  if (!integers || op == BinaryOp::divide || (op == BinaryOp::power && b.integer() < 0)) {
    return approximate(op, a.real(), b.real());
  }
  const auto result = exact(op, a.integer(), b.integer());
  if (!result) fail("{} {} {} does not fit 64 bits", a.integer(), symbol(op), b.integer());
  return *result;
}

Value join_texts(const Value& a, const Value& b, Budget& budget) {
  const bool safe = a.safe() || b.safe();
  const auto piece = [&](const Value& value) {
    return safe && !value.safe() ? escape_html(*value.string(), budget) : *value.string();
  };
  TextBuilder out(budget);
  out += piece(a);
  out += piece(b);
  return Value(out.take(), safe);
}

Value join_lists(const List& a, const List& b, Budget& budget) {
  budget.items(a.items.size() + b.items.size());
  std::vector<Value> items(a.items);
  items.insert(items.end(), b.items.begin(), b.items.end());
  return Value::list(std::move(items), a.tuple);
}

Value repeat(const Value& what, int64_t times, Budget& budget) {
  const auto count = static_cast<size_t>(std::max<int64_t>(times, 0));
  if (const auto* string = what.string()) {
    if (string->empty()) return what;
    budget.text(count > Budget::kMaxText / string->size() ? Budget::kMaxText + 1 : count * string->size());
    std::string out;
    for (size_t i = 0; i < count; ++i) out += *string;
    return Value(std::move(out), what.safe());
  }
  const List& list = *what.list();
  if (list.items.empty()) return what;
  budget.items(count > Budget::kMaxMemory / list.items.size() ? Budget::kMaxMemory : count * list.items.size());
  std::vector<Value> items;
  for (size_t i = 0; i < count; ++i) items.insert(items.end(), list.items.begin(), list.items.end());
  return Value::list(std::move(items), list.tuple);
}

bool contains(const Value& container, const Value& wanted, Budget& budget) {
  if (const auto* string = container.string()) {
    if (!wanted.string()) fail("'in <string>' requires a string as left operand, not {}", wanted.type_name());
    budget.scan(string->size());
    return text::find(*string, *wanted.string()) != std::string_view::npos;
  }
  if (const auto* dict = container.dict()) {
    if (wanted.list() || wanted.dict()) fail("a {} cannot be a key", wanted.type_name());
    return lookup(*dict, wanted, budget);
  }
  const auto* list = container.list();
  if (!list && !container.is_undefined()) fail("argument of type '{}' is not iterable", container.type_name());
  return list && std::any_of(list->items.begin(), list->items.end(),
                             [&](const Value& item) { return equal(item, wanted, budget); });
}

/// Index of a Python index that counts from the end when negative; nothing when out of range.
std::optional<size_t> position(int64_t index, size_t size) {
  const auto length = static_cast<int64_t>(size);
  if (index < -length || index >= length) return std::nullopt;
  return static_cast<size_t>(index < 0 ? index + length : index);
}

Value missing(const Value& object, std::string name) {
  return Value::undefined(fmt::format("'{}' of a {}", name, object.type_name()));
}

/// The item at an integer index or under a key; nothing when there is none.
std::optional<Value> item(const Value& object, const Value& key, Budget& budget) {
  if (const auto* dict = object.dict()) {
    const Value* value = lookup(*dict, key, budget);
    return value ? std::optional(*value) : std::nullopt;
  }
  if (!key.is_integer()) return std::nullopt;
  if (const auto* list = object.list()) {
    const auto at = position(key.integer(), list->items.size());
    return at ? std::optional(list->items[*at]) : std::nullopt;
  }
  if (const auto* string = object.string()) {
    budget.scan(string->size());
    const auto offsets = text::code_point_offsets(*string);
    const auto at = position(key.integer(), offsets.size() - 1);
    if (!at) return std::nullopt;
    return Value(string->substr(offsets[*at], offsets[*at + 1] - offsets[*at]), object.safe());
  }
  return std::nullopt;
}

void refuse_undefined(const Value& object, std::string_view name) {
  if (const auto* undefined = object.get_if<Undefined>())
    fail("{} is undefined, so it has no '{}'", undefined->what, name);
}

/// The indices start, start+step, ... that `[start:stop:step]` picks from a sequence of `size`.
std::vector<size_t> picked(const Value& start, const Value& stop, const Value& step, size_t size, Budget& budget) {
  const auto bound = [](const Value& value) -> std::optional<int64_t> {
    if (value.is_none()) return std::nullopt;
    if (!value.is_integer()) fail("slice indices must be integers, not {}", value.type_name());
    return value.integer();
  };
  const auto length = static_cast<int64_t>(size);
  const int64_t stride = bound(step).value_or(1);
  if (stride == 0) fail("slice step cannot be zero");
  const int64_t lowest = stride < 0 ? -1 : 0, highest = stride < 0 ? length - 1 : length;
  const auto clamped = [&](std::optional<int64_t> value, int64_t otherwise) {
    if (!value) return otherwise;
    return std::clamp(*value < 0 ? *value + length : *value, lowest, highest);
  };
  int64_t at = clamped(bound(start), stride < 0 ? highest : lowest);
  const int64_t end = clamped(bound(stop), stride < 0 ? lowest : highest);
  std::vector<size_t> indices;
  while (stride < 0 ? at > end : at < end) {
    budget.items(1);
    indices.push_back(static_cast<size_t>(at));
    if (__builtin_add_overflow(at, stride, &at)) break;
  }
  return indices;
}

}  // namespace

Value binary(BinaryOp op, const Value& a, const Value& b, Budget& budget) {
  if (a.is_number() && b.is_number()) return arithmetic(op, a, b);
  if (op == BinaryOp::add && a.string() && b.string()) return join_texts(a, b, budget);
  if (op == BinaryOp::add && a.list() && b.list() && a.list()->tuple == b.list()->tuple) {
    return join_lists(*a.list(), *b.list(), budget);
  }
  if (op == BinaryOp::multiply && (a.string() || a.list()) && b.is_integer()) return repeat(a, b.integer(), budget);
  if (op == BinaryOp::multiply && (b.string() || b.list()) && a.is_integer()) return repeat(b, a.integer(), budget);
  unsupported(symbol(op), a, b);
}

Value unary(UnaryOp op, const Value& a) {
  if (op == UnaryOp::logical_not) return !a.truthy();
  if (!a.is_number()) unsupported(op == UnaryOp::negate ? "unary -" : "unary +", a, Value::none());
  if (op == UnaryOp::plus) return a.is_integer() ? Value(a.integer()) : a;
  return a.is_integer() ? arithmetic(BinaryOp::subtract, Value(int64_t{0}), a) : Value(-a.real());
}

bool less(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_integer() && b.is_integer()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.real() < b.real();
  if (a.string() && b.string()) {
    budget.scan(std::min(a.string()->size(), b.string()->size()));
    return *a.string() < *b.string();
  }
  if (!a.list() || !b.list() || a.list()->tuple != b.list()->tuple) unsupported("<", a, b);
  const auto &left = a.list()->items, &right = b.list()->items;
  for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (!equal(left[i], right[i], budget)) return less(left[i], right[i], budget);
  }
  return left.size() < right.size();
}

bool compare(CompareOp op, const Value& a, const Value& b, Budget& budget) {
  switch (op) {
    case CompareOp::equal:
      return equal(a, b, budget);
    case CompareOp::not_equal:
      return !equal(a, b, budget);
    case CompareOp::less:
      return less(a, b, budget);
    case CompareOp::greater:
      return less(b, a, budget);
    case CompareOp::less_equal:
      return less(a, b, budget) || equal(a, b, budget);
    case CompareOp::greater_equal:
      return less(b, a, budget) || equal(a, b, budget);
    case CompareOp::in:
      return contains(b, a, budget);
    default:
      return !contains(b, a, budget);
  }
}

Value attribute(const Value& object, const std::string& name, Budget& budget) {
  refuse_undefined(object, name);
  if (auto member = find_member(object, name, budget)) return *member;
  if (auto found = item(object, Value(name), budget)) return *found;
  return missing(object, name);
}

Value subscript(const Value& object, const Value& key, Budget& budget) {
  const std::string* name = key.string();
  refuse_undefined(object, name ? *name : to_text(key, budget));
  if (auto found = item(object, key, budget)) return *found;
  if (name) {
    if (auto member = find_member(object, *name, budget)) return *member;
  }
  return missing(object, name ? *name : to_text(key, budget));
}

Value slice(const Value& object, const Value& start, const Value& stop, const Value& step, Budget& budget) {
  refuse_undefined(object, "[:]");
  if (const auto* list = object.list()) {
    std::vector<Value> items;
    for (const size_t i : picked(start, stop, step, list->items.size(), budget)) items.push_back(list->items[i]);
    return Value::list(std::move(items), list->tuple);
  }
  if (const auto* string = object.string()) {
    budget.scan(string->size());
    const auto offsets = text::code_point_offsets(*string);
    std::string out;
    for (const size_t i : picked(start, stop, step, offsets.size() - 1, budget)) {
      out.append(*string, offsets[i], offsets[i + 1] - offsets[i]);
    }
    return Value(std::move(out), object.safe());
  }
  return missing(object, "[:]");
}

std::string escape_html(std::string_view text, Budget& budget) {
  TextBuilder out(budget);
  for (const char c : text) {
    const std::string_view replacement = c == '&'    ? "&amp;"
                                         : c == '<'  ? "&lt;"
                                         : c == '>'  ? "&gt;"
                                         : c == '"'  ? "&#34;"
                                         : c == '\'' ? "&#39;"
                                                     : std::string_view(&c, 1);
    out += replacement;
  }
  return out.take();
}

}  // namespace assay::jinja

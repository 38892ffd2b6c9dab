#include "tokens/chat/value.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tokens/chat/text.h"

namespace assay::jinja {

namespace {

int checked_nesting(int deepest_item) {
  if (deepest_item >= Budget::kMaxNesting) fail("it makes lists nested deeper than {} levels", Budget::kMaxNesting);
  return deepest_item + 1;
}

bool equal_lists(const List& a, const List& b, Budget& budget) {
  if (a.tuple != b.tuple || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!equal(a.items[i], b.items[i], budget)) return false;
  }
  return true;
}

bool equal_dicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = lookup(b, key, budget);
    if (!other || !equal(value, *other, budget)) return false;
  }
  return true;
}

}  // namespace

Value::Value() = default;
Value::Value(bool value) : storage_(value) {}
Value::Value(int64_t value) : storage_(value) {}
Value::Value(double value) : storage_(value) {}
Value::Value(std::string text, bool safe)
    : storage_(Text{std::make_shared<const std::string>(std::move(text)), safe}) {}
Value::Value(Namespace* space) : storage_(space) {}
Value::Value(const Value& other) = default;
Value::Value(Value&& other) noexcept = default;
Value& Value::operator=(const Value& other) = default;
Value& Value::operator=(Value&& other) noexcept = default;
Value::~Value() = default;

template <class T>
Value Value::holding(T held) {
  Value out;
  out.storage_ = std::move(held);
  return out;
}

Value Value::none() {
  return holding(None{});
}
Value Value::undefined(std::string what) {
  return holding(Undefined{std::move(what)});
}

Value Value::list(std::vector<Value> items, bool tuple) {
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.nesting());
  return holding(std::make_shared<const List>(List{std::move(items), tuple, checked_nesting(deepest)}));
}

Value Value::dict(std::vector<std::pair<Value, Value>> entries) {
  int deepest = 0;
  for (const auto& [key, value] : entries) deepest = std::max(deepest, value.nesting());
  return holding(std::make_shared<const Dict>(Dict{std::move(entries), checked_nesting(deepest)}));
}

Value Value::function(std::function<Value(const Arguments&)> call, const Value& captured) {
  return holding(std::make_shared<const Function>(Function{std::move(call), checked_nesting(captured.nesting())}));
}

Value Value::loop(Loop loop) {
  return holding(std::make_shared<const Loop>(std::move(loop)));
}

Value Value::from_json(const nlohmann::ordered_json& json) {
  if (json.is_null()) return none();
  if (json.is_boolean()) return json.get<bool>();
  const bool wide = json.is_number_unsigned() && json.get<uint64_t>() > uint64_t{INT64_MAX};
  if (json.is_number_integer() && !wide) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    std::vector<Value> items;
    for (const auto& item : json) items.push_back(from_json(item));
    return list(std::move(items));
  }
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, item] : json.items()) entries.emplace_back(Value(key), from_json(item));
  return dict(std::move(entries));
}

const std::string* Value::string() const {
  const Text* text = get_if<Text>();
  return text ? text->bytes.get() : nullptr;
}

const List* Value::list() const {
  const ListPtr* list = get_if<ListPtr>();
  return list ? list->get() : nullptr;
}

const Dict* Value::dict() const {
  const DictPtr* dict = get_if<DictPtr>();
  return dict ? dict->get() : nullptr;
}

bool Value::safe() const {
  const Text* text = get_if<Text>();
  return text && text->safe;
}

int64_t Value::integer() const {
  if (const bool* b = get_if<bool>()) return *b;
  const int64_t* i = get_if<int64_t>();
  ASSAY_CHECK(i);
  return *i;
}

double Value::real() const {
  const double* d = get_if<double>();
  return d ? *d : static_cast<double>(integer());
}

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_number()) return real() != 0;
  if (const auto* s = string()) return !s->empty();
  if (const auto* l = list()) return !l->items.empty();
  if (const auto* d = dict()) return !d->entries.empty();
  return true;
}

std::string_view Value::type_name() const {
  if (const List* l = list()) return l->tuple ? "tuple" : "list";
  static constexpr std::string_view kNames[] = {
      "undefined value", "None", "bool", "int", "float", "str", "list", "dict", "namespace", "loop", "function"};
  static_assert(std::size(kNames) == std::variant_size_v<Storage>);
  return kNames[storage_.index()];
}

int Value::nesting() const {
  if (const auto* l = list()) return l->nesting;
  if (const auto* d = dict()) return d->nesting;
  if (const auto* loop = get_if<LoopPtr>()) return (*loop)->items->nesting;
  if (const auto* function = get_if<FunctionPtr>()) return (*function)->nesting;
  return 0;
}

std::vector<Value> Arguments::bind(std::string_view function, const std::vector<std::string_view>& parameters,
                                   size_t required) const {
  if (positional.size() > parameters.size()) {
    fail("{}() takes at most {} arguments, {} given", function, parameters.size(), positional.size());
  }
  std::vector<Value> values(positional);
  std::vector<bool> given(parameters.size(), false);
  std::fill_n(given.begin(), positional.size(), true);
  values.resize(parameters.size());
  for (const auto& [name, value] : named) {
    const auto at = std::find(parameters.begin(), parameters.end(), name);
    if (at == parameters.end()) fail("{}() has no parameter '{}'", function, name);
    const auto index = static_cast<size_t>(at - parameters.begin());
    if (given[index]) fail("{}() got two values for '{}'", function, name);
    given[index] = true;
    values[index] = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!given[i]) fail("{}() needs the argument '{}'", function, parameters[i]);
  }
  return values;
}

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
    return a.real() == b.real();
  }
  if (a.storage().index() != b.storage().index()) return false;
  if (const auto* s = a.string()) {
    budget.scan(s->size());
    return *s == *b.string();
  }
  if (const auto* l = a.list()) return equal_lists(*l, *b.list(), budget);
  if (const auto* d = a.dict()) return equal_dicts(*d, *b.dict(), budget);
  if (const auto* space = a.get_if<Namespace*>()) return *space == *b.get_if<Namespace*>();
  if (const auto* loop = a.get_if<Value::LoopPtr>()) return *loop == *b.get_if<Value::LoopPtr>();
  if (const auto* function = a.get_if<Value::FunctionPtr>()) return *function == *b.get_if<Value::FunctionPtr>();
  return true;  // None and None, undefined and undefined
}

const Value* lookup(const Dict& dict, const Value& key, Budget& budget) {
  if (key.list() || key.dict()) return nullptr;
  for (const auto& [candidate, value] : dict.entries) {
    if (equal(candidate, key, budget)) return &value;
  }
  return nullptr;
}

std::vector<Value> iterate(const Value& value, Budget& budget) {
  std::vector<Value> items;
  if (const auto* list = value.list()) {
    budget.items(list->items.size());
    items = list->items;
  } else if (const auto* dict = value.dict()) {
    budget.items(dict->entries.size());
    for (const auto& [key, item] : dict->entries) items.push_back(key);
  } else if (const auto* string = value.string()) {
    budget.items(static_cast<size_t>(text::code_point_count(*string)));
    for (size_t at = 0; at < string->size();) {
      const size_t begin = at;
      text::next_code_point(*string, at);
      items.push_back(Value::text(std::string_view(*string).substr(begin, at - begin)));
    }
  } else if (!value.is_undefined()) {
    fail("'{}' object is not iterable", value.type_name());
  }
  return items;
}

}  // namespace assay::jinja

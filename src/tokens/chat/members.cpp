#include <algorithm>
#include <unordered_map>

#include "tokens/chat/builtins.h"

namespace assay::jinja {

namespace {

Value dict_keys(const Value& self, const Arguments& arguments, Budget& budget) {
  arguments.bind("keys", {});
  return Value::list(iterate(self, budget));
}

Value dict_values(const Value& self, const Arguments& arguments, Budget& budget) {
  arguments.bind("values", {});
  budget.items(self.dict()->entries.size());
  std::vector<Value> values;
  for (const auto& [key, value] : self.dict()->entries) values.push_back(value);
  return Value::list(std::move(values));
}

Value dict_items(const Value& self, const Arguments& arguments, Budget& budget) {
  arguments.bind("items", {});
  return apply_filter("items", self, {}, budget);
}

Value dict_get(const Value& self, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("get", {"key", "default"}, 1);
  if (const Value* value = lookup(*self.dict(), given[0], budget)) return *value;
  return arguments.positional.size() + arguments.named.size() > 1 ? given[1] : Value::none();
}

Value copy(const Value& self, const Arguments& arguments, Budget&) {
  arguments.bind("copy", {});
  return self;
}

Value list_count(const Value& self, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("count", {"value"}, 1);
  int64_t count = 0;
  for (const Value& item : self.list()->items) count += equal(item, given[0], budget);
  return count;
}

Value list_index(const Value& self, const Arguments& arguments, Budget& budget) {
  const auto given = arguments.bind("index", {"value"}, 1);
  const auto& items = self.list()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    if (equal(items[i], given[0], budget)) return static_cast<int64_t>(i);
  }
  fail("index(): the value is not in the list");
}

Method find_dict_method(std::string_view name) {
  static const std::unordered_map<std::string_view, Method> kMethods = {
      {"keys", dict_keys}, {"values", dict_values}, {"items", dict_items}, {"get", dict_get}, {"copy", copy}};
  const auto it = kMethods.find(name);
  return it == kMethods.end() ? nullptr : it->second;
}

Method find_list_method(std::string_view name, bool tuple) {
  if (name == "count") return list_count;
  if (name == "index") return list_index;
  return name == "copy" && !tuple ? copy : nullptr;
}

/// Python's methods that change their object: they hide an item of the same name, and may not be used.
bool changes_object(const Value& object, std::string_view name) {
  static const std::vector<std::string_view> kOfDicts = {"clear", "fromkeys", "pop", "popitem", "setdefault", "update"};
  static const std::vector<std::string_view> kOfLists = {"append", "clear",  "extend",  "insert",
                                                         "pop",    "remove", "reverse", "sort"};
  const List* list = object.list();
  if (!object.dict() && (!list || list->tuple)) return false;
  const auto& names = list ? kOfLists : kOfDicts;
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value loop_cycle(const Loop& loop, const Arguments& arguments) {
  if (arguments.positional.empty()) fail("loop.cycle() needs at least one argument");
  return arguments.positional[loop.index % arguments.positional.size()];
}

std::optional<Value> loop_attribute(const Value& self, std::string_view name) {
  const Loop& loop = **self.get_if<Value::LoopPtr>();
  const auto& items = loop.items->items;
  const auto index = static_cast<int64_t>(loop.index), length = static_cast<int64_t>(items.size());
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "revindex") return length - index;
  if (name == "revindex0") return length - index - 1;
  if (name == "first") return index == 0;
  if (name == "last") return index + 1 == length;
  if (name == "length") return length;
  if (name == "depth") return int64_t{1};  // counts recursion of one loop, not nesting of several
  if (name == "depth0") return int64_t{0};
  if (name == "previtem") return index > 0 ? items[loop.index - 1] : Value::undefined("there is no previous item: it");
  if (name == "nextitem") {
    return index + 1 < length ? items[loop.index + 1] : Value::undefined("there is no next item: it");
  }
  if (name == "cycle") {
    return Value::function(
        [self](const Arguments& arguments) { return loop_cycle(**self.get_if<Value::LoopPtr>(), arguments); }, self);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Value> find_member(const Value& object, const std::string& name, Budget& budget) {
  if (const auto* space = object.get_if<Namespace*>()) {
    for (const auto& [field, value] : (*space)->fields) {
      budget.step();
      if (field == name) return value;
    }
    return std::nullopt;
  }
  if (object.get_if<Value::LoopPtr>()) return loop_attribute(object, name);
  if (changes_object(object, name)) {
    return Value::undefined(fmt::format("the method '{}', which changes a {},", name, object.type_name()));
  }
  Method method = nullptr;
  if (object.string()) method = find_text_method(name);
  if (object.dict()) method = find_dict_method(name);
  if (const List* list = object.list()) method = find_list_method(name, list->tuple);
  if (!method) return std::nullopt;
  const auto bound = [object, method, &budget](const Arguments& arguments) {
    return method(object, arguments, budget);
  };
  return Value::function(bound, object);
}

}  // namespace assay::jinja

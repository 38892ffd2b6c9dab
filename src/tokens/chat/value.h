#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tokens/chat/budget.h"

/// The values of a Jinja template, with Python's semantics. All are immutable except namespaces.
namespace assay::jinja {

class Value;
struct Arguments;

/// A name, attribute or item that does not exist: renders as nothing, is false, and most uses of it are errors.
struct Undefined {
  std::string what = "the value";  ///< "'x'", "'content' of a str"
};

struct None {};

struct Text {
  std::shared_ptr<const std::string> bytes;
  bool safe = false;  ///< marked by the filter `safe`: joining it with plain text by + escapes the latter
};

struct List {
  std::vector<Value> items;
  bool tuple = false;
  int nesting = 1;
};

/// In order of insertion; keys are scalars or texts.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  int nesting = 1;
};

/// Owned by the interpreter, because it may contain itself.
struct Namespace {
  std::vector<std::pair<std::string, Value>> fields;
};

/// State of one `for`: item `index` of `items`.
struct Loop {
  std::shared_ptr<const List> items;
  size_t index = 0;
};

struct Function {
  std::function<Value(const Arguments&)> call;
  int nesting = 1;
};

class Value {
 public:
  using ListPtr = std::shared_ptr<const List>;
  using DictPtr = std::shared_ptr<const Dict>;
  using LoopPtr = std::shared_ptr<const Loop>;
  using FunctionPtr = std::shared_ptr<const Function>;
  using Storage =
      std::variant<Undefined, None, bool, int64_t, double, Text, ListPtr, DictPtr, Namespace*, LoopPtr, FunctionPtr>;

  Value();  ///< undefined
  // Not inline: the variant's copies are large, and there are many.
  Value(const Value& other);
  Value(Value&& other) noexcept;
  Value& operator=(const Value& other);
  Value& operator=(Value&& other) noexcept;
  ~Value();
  Value(bool value);
  Value(int64_t value);
  Value(double value);
  Value(std::string text, bool safe = false);
  explicit Value(Namespace* space);

  static Value none();
  static Value undefined(std::string what);
  static Value text(std::string_view text) { return Value(std::string(text)); }
  /// These refuse lists nested deeper than the budget's limit: their destructor is recursive.
  static Value list(std::vector<Value> items, bool tuple = false);
  static Value dict(std::vector<std::pair<Value, Value>> entries);
  /// `captured`: the value that the function holds, if any.
  static Value function(std::function<Value(const Arguments&)> call, const Value& captured = {});
  static Value loop(Loop loop);
  /// JSON values keep the order of their keys.
  static Value from_json(const nlohmann::ordered_json& json);

  template <class T>
  const T* get_if() const {
    return std::get_if<T>(&storage_);
  }
  bool is_undefined() const { return get_if<Undefined>(); }
  bool is_none() const { return get_if<None>(); }
  /// Null when it is something else.
  const std::string* string() const;
  const List* list() const;
  const Dict* dict() const;
  bool safe() const;
  /// Also true and false are integers.
  bool is_integer() const { return get_if<int64_t>() || get_if<bool>(); }
  bool is_number() const { return is_integer() || get_if<double>(); }
  int64_t integer() const;
  double real() const;

  bool truthy() const;
  /// Name of the Python type, for messages.
  std::string_view type_name() const;
  int nesting() const;
  const Storage& storage() const { return storage_; }

 private:
  template <class T>
  static Value holding(T held);
  Storage storage_;
};

/// Arguments of one call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  /// Values of the parameters in order, undefined where not given. Too many, unknown, given twice, or fewer than
  /// `required`: Error naming `function`.
  std::vector<Value> bind(std::string_view function, const std::vector<std::string_view>& parameters,
                          size_t required = 0) const;
};

/// a == b, as Python compares.
bool equal(const Value& a, const Value& b, Budget& budget);
/// Null when the key is absent.
const Value* lookup(const Dict& dict, const Value& key, Budget& budget);
/// str(value).
std::string to_text(const Value& value, Budget& budget);
/// The items that a loop over `value` visits. Error when it is not iterable.
std::vector<Value> iterate(const Value& value, Budget& budget);

/// json.dumps(value): `indent` negative means one line.
struct JsonStyle {
  int64_t indent = -1;
  std::string item_separator;  ///< empty: Python's default, ", " on one line and "," before a line break
  std::string key_separator = ": ";
  bool ascii_only = false;
  bool sort_keys = false;
};
std::string to_json(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace assay::jinja

#include <unordered_map>

#include "tokens/chat/builtins.h"
#include "tokens/chat/operations.h"

// Tests, the names after `is`.
namespace assay::jinja {

namespace {

using Test = bool (*)(const Value& value, const Arguments& arguments, Budget& budget);

template <bool (*holds)(const Value&)>
bool plain(const Value& value, const Arguments& arguments, Budget&) {
  arguments.bind("this test", {});
  return holds(value);
}

template <CompareOp op>
bool compared(const Value& value, const Arguments& arguments, Budget& budget) {
  return compare(op, value, arguments.bind("this test", {"other"}, 1)[0], budget);
}

bool divisibleby(const Value& value, const Arguments& arguments, Budget& budget) {
  const Value divisor = arguments.bind("divisibleby", {"num"}, 1)[0];
  return !binary(BinaryOp::modulo, value, divisor, budget).truthy();
}

bool remainder_is(const Value& value, int64_t wanted, Budget& budget) {
  return equal(binary(BinaryOp::modulo, value, Value(int64_t{2}), budget), Value(wanted), budget);
}
bool odd(const Value& value, const Arguments&, Budget& budget) {
  return remainder_is(value, 1, budget);
}
bool even(const Value& value, const Arguments&, Budget& budget) {
  return remainder_is(value, 0, budget);
}

bool sameas(const Value& value, const Arguments& arguments, Budget& budget) {
  const Value other = arguments.bind("sameas", {"other"}, 1)[0];
  return value.storage().index() == other.storage().index() && equal(value, other, budget);
}

template <bool upper>
bool cased(const Value& value, const Arguments&, Budget& budget) {
  return find_text_method(upper ? "isupper" : "islower")(Value(to_text(value, budget)), Arguments(), budget).truthy();
}

bool is_defined(const Value& v) {
  return !v.is_undefined();
}
bool is_undefined(const Value& v) {
  return v.is_undefined();
}
bool is_none(const Value& v) {
  return v.is_none();
}
bool is_boolean(const Value& v) {
  return v.get_if<bool>();
}
bool is_true(const Value& v) {
  return v.get_if<bool>() && v.truthy();
}
bool is_false(const Value& v) {
  return v.get_if<bool>() && !v.truthy();
}
bool is_integer(const Value& v) {
  return v.get_if<int64_t>();
}
bool is_float(const Value& v) {
  return v.get_if<double>();
}
bool is_number(const Value& v) {
  return v.is_number();
}
bool is_string(const Value& v) {
  return v.string();
}
bool is_mapping(const Value& v) {
  return v.dict();
}
bool is_sequence(const Value& v) {
  return v.string() || v.list() || v.dict() || v.is_undefined();
}
bool is_iterable(const Value& v) {
  return is_sequence(v) || v.get_if<Value::LoopPtr>();
}
bool is_callable(const Value& v) {
  return v.get_if<Value::FunctionPtr>();
}

}  // namespace

bool apply_test(const std::string& name, const Value& input, const Arguments& arguments, Budget& budget) {
  static const std::unordered_map<std::string_view, Test> kTests = {
      {"defined", plain<is_defined>},
      {"undefined", plain<is_undefined>},
      {"none", plain<is_none>},
      {"boolean", plain<is_boolean>},
      {"true", plain<is_true>},
      {"false", plain<is_false>},
      {"integer", plain<is_integer>},
      {"float", plain<is_float>},
      {"number", plain<is_number>},
      {"string", plain<is_string>},
      {"mapping", plain<is_mapping>},
      {"sequence", plain<is_sequence>},
      {"iterable", plain<is_iterable>},
      {"callable", plain<is_callable>},
      {"upper", cased<true>},
      {"lower", cased<false>},
      {"odd", odd},
      {"even", even},
      {"divisibleby", divisibleby},
      {"sameas", sameas},
      {"eq", compared<CompareOp::equal>},
      {"equalto", compared<CompareOp::equal>},
      {"==", compared<CompareOp::equal>},
      {"ne", compared<CompareOp::not_equal>},
      {"!=", compared<CompareOp::not_equal>},
      {"lt", compared<CompareOp::less>},
      {"lessthan", compared<CompareOp::less>},
      {"<", compared<CompareOp::less>},
      {"le", compared<CompareOp::less_equal>},
      {"<=", compared<CompareOp::less_equal>},
      {"gt", compared<CompareOp::greater>},
      {"greaterthan", compared<CompareOp::greater>},
      {">", compared<CompareOp::greater>},
      {"ge", compared<CompareOp::greater_equal>},
      {">=", compared<CompareOp::greater_equal>},
      {"in", compared<CompareOp::in>},
  };
  budget.step();
  const auto it = kTests.find(name);
  if (it == kTests.end()) fail("there is no test named '{}'", name);
  return it->second(input, arguments, budget);
}

}  // namespace assay::jinja

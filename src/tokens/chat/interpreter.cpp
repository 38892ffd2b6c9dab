#include "tokens/chat/interpreter.h"

#include <algorithm>
#include <deque>

#include "tokens/chat/builtins.h"

namespace assay::jinja {

namespace {

/// An error that already says on which line it happened.
class LocatedError : public Error {
 public:
  using Error::Error;
};

enum class Flow { normal, break_loop, continue_loop };

struct Scope {
  Scope* parent;
  std::vector<std::pair<std::string, Value>> names;

  void set(const std::string& name, Value value) {
    for (auto& [existing, old] : names) {
      if (existing == name) {
        old = std::move(value);
        return;
      }
    }
    names.emplace_back(name, std::move(value));
  }
};

class Interpreter {
 public:
  explicit Interpreter(const Environment& environment) : now_(environment.now) {
    scope_ = &scopes_.emplace_back(Scope{nullptr, {}});
    add_globals();
    enter_scope(scope_);
    for (const auto& [name, value] : environment.variables) scope_->set(name, value);
    enter_scope(scope_);
  }

  Rendering run(const Body& body) {
    execute(body);
    return {output_.take(), used_date_};
  }

  Flow operator()(const Data& s);
  Flow operator()(const Output& s);
  Flow operator()(const If& s);
  Flow operator()(const For& s);
  Flow operator()(const Set& s);
  Flow operator()(const Capture& s);
  Flow operator()(const Macro& s);
  Flow operator()(const With& s);
  Flow operator()(const Break&) { return Flow::break_loop; }
  Flow operator()(const Continue&) { return Flow::continue_loop; }

  Value operator()(const Literal& e) { return e.value; }
  Value operator()(const Name& e);
  Value operator()(const ListDisplay& e);
  Value operator()(const DictDisplay& e);
  Value operator()(const Attribute& e) { return attribute(evaluate(e.object), e.name, budget_); }
  Value operator()(const Subscript& e);
  Value operator()(const Slice& e);
  Value operator()(const Call& e);
  Value operator()(const FilterCall& e);
  Value operator()(const TestCall& e);
  Value operator()(const Unary& e) { return unary(e.op, evaluate(e.operand)); }
  Value operator()(const Binary& e);
  Value operator()(const Logical& e);
  Value operator()(const Comparison& e);
  Value operator()(const Concatenation& e);
  Value operator()(const Conditional& e);

 private:
  Flow execute(const Body& body);
  Flow execute(const Statement& statement);
  Value evaluate(const ExpressionPtr& expression);
  Value evaluate_or_none(const ExpressionPtr& expression) { return expression ? evaluate(expression) : Value::none(); }
  Arguments evaluate(const CallArguments& arguments);

  Scope* enter_scope(Scope* parent) {
    budget_.items(2);
    return scope_ = &scopes_.emplace_back(Scope{parent, {}});
  }
  void assign(const Target& target, const Value& value);
  std::vector<Value> loop_items(const For& loop);
  std::string captured(const Body& body);
  Value call_macro(const Macro& macro, Scope* defined_in, const Arguments& arguments);
  void add_globals();
  Value make_namespace(const Arguments& arguments);
  Value make_range(const Arguments& arguments);
  Value format_date(const Arguments& arguments);

  Budget budget_;
  // Owned here for the whole rendering: namespaces and scopes can refer to each other in circles.
  std::deque<Scope> scopes_;
  std::deque<Namespace> namespaces_;
  Scope* scope_ = nullptr;
  TextBuilder output_{budget_};
  TextBuilder* out_ = &output_;
  Value filtered_;  ///< text of the filter block whose filters are being applied
  std::tm now_;
  bool used_date_ = false;
};

/// Puts back what it found when it goes, also when an error passes.
template <class T>
class Restore {
 public:
  explicit Restore(T& variable) : variable_(variable), old_(variable) {}
  ~Restore() { variable_ = old_; }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& variable_;
  T old_;
};

// Statements

Flow Interpreter::execute(const Body& body) {
  for (const auto& statement : body) {
    const Flow flow = execute(*statement);
    if (flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Flow Interpreter::execute(const Statement& statement) {
  try {
    const Budget::Level level(budget_);
    budget_.step();
    return std::visit(*this, statement.node);
  } catch (const LocatedError&) {
    throw;
  } catch (const Error& error) {
    throw LocatedError(fmt::format("line {}: {}", statement.line, error.what()));
  }
}

Flow Interpreter::operator()(const Data& s) {
  *out_ += s.text;
  return Flow::normal;
}

Flow Interpreter::operator()(const Output& s) {
  *out_ += to_text(evaluate(s.value), budget_);
  return Flow::normal;
}

Flow Interpreter::operator()(const If& s) {
  for (const auto& [condition, body] : s.branches) {
    if (evaluate(condition).truthy()) return execute(body);
  }
  return execute(s.otherwise);
}

std::vector<Value> Interpreter::loop_items(const For& loop) {
  std::vector<Value> items = iterate(evaluate(loop.items), budget_);
  if (!loop.condition) return items;
  Scope* outer = scope_;
  std::erase_if(items, [&](const Value& item) {
    enter_scope(outer);
    assign(loop.target, item);
    return !evaluate(loop.condition).truthy();
  });
  return items;
}

Flow Interpreter::operator()(const For& s) {
  const Restore restore(scope_);
  Scope* outer = scope_;
  const Value items = Value::list(loop_items(s));
  const size_t count = items.list()->items.size();
  for (size_t i = 0; i < count; ++i) {
    budget_.step();
    enter_scope(outer)->set("loop", Value::loop({*items.get_if<Value::ListPtr>(), i}));
    assign(s.target, items.list()->items[i]);
    if (execute(s.body) == Flow::break_loop) break;
  }
  if (count > 0) return Flow::normal;
  enter_scope(outer);
  return execute(s.otherwise);
}

Flow Interpreter::operator()(const Set& s) {
  assign(s.target, evaluate(s.value));
  return Flow::normal;
}

std::string Interpreter::captured(const Body& body) {
  const Restore restore_scope(scope_);
  const Restore restore_output(out_);
  TextBuilder text(budget_);
  out_ = &text;
  enter_scope(scope_);
  execute(body);
  return text.take();
}

Flow Interpreter::operator()(const Capture& s) {
  Value text(captured(s.body));
  if (s.filters) {
    const Restore restore(filtered_);
    filtered_ = std::move(text);
    text = evaluate(s.filters);
  }
  if (s.target.name.empty()) {
    *out_ += to_text(text, budget_);
  } else {
    assign(s.target, text);
  }
  return Flow::normal;
}

Flow Interpreter::operator()(const Macro& s) {
  const auto call = [this, &s, scope = scope_](const Arguments& arguments) { return call_macro(s, scope, arguments); };
  scope_->set(s.name, Value::function(call));
  return Flow::normal;
}

Flow Interpreter::operator()(const With& s) {
  const Restore restore(scope_);
  Scope* outer = scope_;
  Scope* inner = enter_scope(outer);
  for (const auto& [target, expression] : s.assignments) {
    scope_ = outer;
    const Value value = evaluate(expression);
    scope_ = inner;
    assign(target, value);
  }
  return execute(s.body);
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (!target.members.empty()) {
    const std::vector<Value> items = iterate(value, budget_);
    if (items.size() != target.members.size()) {
      fail("{} values cannot be unpacked into {} names", items.size(), target.members.size());
    }
    for (size_t i = 0; i < items.size(); ++i) assign(target.members[i], items[i]);
    return;
  }
  budget_.items(1);
  if (target.field.empty()) {
    scope_->set(target.name, value);
    return;
  }
  const Value object = (*this)(Name{target.name});
  const auto* space = object.get_if<Namespace*>();
  if (!space) fail("cannot assign to '{}.{}': '{}' is no namespace", target.name, target.field, target.name);
  for (auto& [field, old] : (*space)->fields) {
    if (field == target.field) {
      old = value;
      return;
    }
  }
  (*space)->fields.emplace_back(target.field, value);
}

// Expressions

Value Interpreter::evaluate(const ExpressionPtr& expression) {
  const Budget::Level level(budget_);
  budget_.step();
  return std::visit(*this, expression->node);
}

Arguments Interpreter::evaluate(const CallArguments& arguments) {
  Arguments out;
  for (const auto& argument : arguments.positional) out.positional.push_back(evaluate(argument));
  for (const auto& [name, argument] : arguments.named) out.named.emplace_back(name, evaluate(argument));
  return out;
}

Value Interpreter::operator()(const Name& e) {
  for (const Scope* scope = scope_; scope; scope = scope->parent) {
    budget_.step();
    for (const auto& [name, value] : scope->names) {
      if (name == e.name) return value;
    }
  }
  return Value::undefined(fmt::format("'{}'", e.name));
}

Value Interpreter::operator()(const ListDisplay& e) {
  std::vector<Value> items;
  budget_.items(e.items.size());
  for (const auto& item : e.items) items.push_back(evaluate(item));
  return Value::list(std::move(items), e.tuple);
}

Value Interpreter::operator()(const DictDisplay& e) {
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key_expression, value_expression] : e.entries) {
    budget_.items(2);
    const Value key = evaluate(key_expression);
    if (!key.string() && !key.is_number() && !key.is_none()) fail("a {} cannot be a key", key.type_name());
    Value value = evaluate(value_expression);
    const auto same = [&](const auto& entry) { return equal(entry.first, key, budget_); };
    const auto it = std::find_if(entries.begin(), entries.end(), same);
    if (it == entries.end()) {
      entries.emplace_back(key, std::move(value));
    } else {
      it->second = std::move(value);
    }
  }
  return Value::dict(std::move(entries));
}

Value Interpreter::operator()(const Subscript& e) {
  const Value object = evaluate(e.object);
  return subscript(object, evaluate(e.key), budget_);
}

Value Interpreter::operator()(const Slice& e) {
  const Value object = evaluate(e.object), start = evaluate_or_none(e.start), stop = evaluate_or_none(e.stop);
  return slice(object, start, stop, evaluate_or_none(e.step), budget_);
}

Value Interpreter::operator()(const Call& e) {
  const Value callee = evaluate(e.callee);
  if (const auto* undefined = callee.get_if<Undefined>())
    fail("{} is undefined, so it cannot be called", undefined->what);
  const auto* function = callee.get_if<Value::FunctionPtr>();
  if (!function) fail("'{}' object is not callable", callee.type_name());
  return (*function)->call(evaluate(e.arguments));
}

Value Interpreter::operator()(const FilterCall& e) {
  const Value input = e.input ? evaluate(e.input) : filtered_;
  return apply_filter(e.name, input, evaluate(e.arguments), budget_);
}

Value Interpreter::operator()(const TestCall& e) {
  const Value input = evaluate(e.input);
  return apply_test(e.name, input, evaluate(e.arguments), budget_) != e.negated;
}

Value Interpreter::operator()(const Binary& e) {
  const Value left = evaluate(e.left);
  return binary(e.op, left, evaluate(e.right), budget_);
}

Value Interpreter::operator()(const Logical& e) {
  Value left = evaluate(e.left);
  return left.truthy() == e.conjunction ? evaluate(e.right) : left;
}

Value Interpreter::operator()(const Comparison& e) {
  Value left = evaluate(e.first);
  for (const auto& [op, expression] : e.rest) {
    Value right = evaluate(expression);
    if (!compare(op, left, right, budget_)) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::operator()(const Concatenation& e) {
  TextBuilder out(budget_);
  for (const auto& part : e.parts) out += to_text(evaluate(part), budget_);
  return Value(out.take());
}

Value Interpreter::operator()(const Conditional& e) {
  if (evaluate(e.condition).truthy()) return evaluate(e.value);
  return e.otherwise ? evaluate(e.otherwise) : Value::undefined("the value of an if without else");
}

// Macros and functions

Value Interpreter::call_macro(const Macro& macro, Scope* defined_in, const Arguments& arguments) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : macro.parameters) names.push_back(name);
  const std::vector<Value> given = arguments.bind(macro.name, names);
  const Restore restore(scope_);
  enter_scope(defined_in);
  for (size_t i = 0; i < given.size(); ++i) {
    const auto& [name, value] = macro.parameters[i];
    scope_->set(name, given[i].is_undefined() && value ? evaluate(value) : given[i]);
  }
  return Value(captured(macro.body));
}

void Interpreter::add_globals() {
  const auto add = [this](const std::string& name, Value (Interpreter::*function)(const Arguments&)) {
    scope_->set(name, Value::function([this, function](const Arguments& a) { return (this->*function)(a); }));
  };
  add("namespace", &Interpreter::make_namespace);
  add("range", &Interpreter::make_range);
  add("strftime_now", &Interpreter::format_date);
  scope_->set("raise_exception", Value::function([this](const Arguments& arguments) -> Value {
                fail("{}", to_text(arguments.bind("raise_exception", {"message"}, 1)[0], budget_));
              }));
  scope_->set("dict", Value::function([](const Arguments& arguments) {
                std::vector<std::pair<Value, Value>> entries;
                if (!arguments.positional.empty()) fail("dict() takes named arguments only");
                for (const auto& [name, value] : arguments.named) entries.emplace_back(Value(name), value);
                return Value::dict(std::move(entries));
              }));
}

Value Interpreter::make_namespace(const Arguments& arguments) {
  budget_.items(2 + arguments.named.size());
  Namespace& space = namespaces_.emplace_back();
  for (const Value& initial : arguments.positional) {
    if (!initial.dict()) fail("namespace() takes a dict or named arguments, found {}", initial.type_name());
    for (const auto& [key, value] : initial.dict()->entries) space.fields.emplace_back(to_text(key, budget_), value);
  }
  for (const auto& [name, value] : arguments.named) space.fields.emplace_back(name, value);
  return Value(&space);
}

Value Interpreter::make_range(const Arguments& arguments) {
  constexpr int64_t kMaxRange = 100000;  // as Jinja's own sandbox
  const auto given = arguments.bind("range", {"start", "stop", "step"}, 1);
  for (const Value& bound : arguments.positional) {
    if (!bound.is_integer()) fail("range() needs integers, found {}", bound.type_name());
  }
  const bool one = given[1].is_undefined();
  const int64_t start = one ? 0 : given[0].integer(), stop = one ? given[0].integer() : given[1].integer();
  const int64_t step = given[2].is_undefined() ? 1 : given[2].integer();
  if (step == 0) fail("range(): the step must not be zero");
  std::vector<Value> items;
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (static_cast<int64_t>(items.size()) >= kMaxRange) fail("range() of more than {} numbers", kMaxRange);
    budget_.items(1);
    items.push_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return Value::list(std::move(items));
}

Value Interpreter::format_date(const Arguments& arguments) {
  const Value format = arguments.bind("strftime_now", {"format"}, 1)[0];
  if (!format.string() || format.string()->size() > 256) fail("strftime_now() needs a short text as format");
  used_date_ = true;
  char buffer[4096];
  const size_t length = std::strftime(buffer, sizeof buffer, format.string()->c_str(), &now_);
  return Value(std::string(buffer, length));
}

}  // namespace

Rendering render(const Body& body, const Environment& environment) {
  return Interpreter(environment).run(body);
}

}  // namespace assay::jinja

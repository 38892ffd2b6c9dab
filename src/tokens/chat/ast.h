#pragma once
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tokens/chat/operations.h"
#include "tokens/chat/value.h"

/// The syntax tree of a template.
namespace assay::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

struct Literal {
  Value value;
};
struct Name {
  std::string name;
};
struct ListDisplay {
  std::vector<ExpressionPtr> items;
  bool tuple;
};
struct DictDisplay {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
struct Attribute {
  ExpressionPtr object;
  std::string name;
};
struct Subscript {
  ExpressionPtr object, key;
};
struct Slice {
  ExpressionPtr object, start, stop, step;  ///< the last three may be null
};
struct Call {
  ExpressionPtr callee;
  CallArguments arguments;
};
struct FilterCall {
  ExpressionPtr input;  ///< null in a filter block: the text of the block
  std::string name;
  CallArguments arguments;
};
struct TestCall {
  ExpressionPtr input;
  std::string name;
  CallArguments arguments;
  bool negated;
};
struct Unary {
  UnaryOp op;
  ExpressionPtr operand;
};
struct Binary {
  BinaryOp op;
  ExpressionPtr left, right;
};
struct Logical {
  bool conjunction;  ///< and; else or
  ExpressionPtr left, right;
};
struct Comparison {
  ExpressionPtr first;
  std::vector<std::pair<CompareOp, ExpressionPtr>> rest;
};
struct Concatenation {
  std::vector<ExpressionPtr> parts;
};
struct Conditional {
  ExpressionPtr condition, value, otherwise;  ///< `otherwise` may be null
};

struct Expression {
  using Node = std::variant<Literal, Name, ListDisplay, DictDisplay, Attribute, Subscript, Slice, Call, FilterCall,
                            TestCall, Unary, Binary, Logical, Comparison, Concatenation, Conditional>;
  Node node;
  int height;  ///< longest path down to a leaf
};

struct Statement;
using Body = std::vector<std::unique_ptr<const Statement>>;

/// What an assignment writes to: a name, a field of a namespace, or a tuple of targets.
struct Target {
  std::string name;
  std::string field;            ///< empty unless `name.field`
  std::vector<Target> members;  ///< of a tuple; then name is empty
};

struct Data {
  std::string text;
};
struct Output {
  ExpressionPtr value;
};
struct If {
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};
struct For {
  Target target;
  ExpressionPtr items, condition;  ///< `condition` may be null
  Body body, otherwise;
};
struct Set {
  Target target;
  ExpressionPtr value;
};
/// {% set name %}...{% endset %} and {% filter ... %}...{% endfilter %}; `filters` may be null.
struct Capture {
  Target target;  ///< without a name: output
  ExpressionPtr filters;
  Body body;
};
struct Macro {
  std::string name;
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;  ///< with default, or null
  Body body;
};
/// A scope of its own: {% with %} and {% generation %}.
struct With {
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Body body;
};
struct Break {};
struct Continue {};

struct Statement {
  using Node = std::variant<Data, Output, If, For, Set, Capture, Macro, With, Break, Continue>;
  Node node;
  int line;
};

}  // namespace assay::jinja

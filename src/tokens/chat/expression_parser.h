#pragma once
#include "tokens/chat/ast.h"
#include "tokens/chat/token_stream.h"

namespace assay::jinja {

/// Recursive descent over one expression; each function is one level of precedence, the loosest first.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  ExpressionPtr expression() { return conditional(true); }
  /// One expression, or several separated by commas, which make a tuple. Without `conditionals` an `if` ends it.
  ExpressionPtr tuple(bool conditionals = true);
  /// Filters of a block: `upper | trim`, applied to a text that is not there yet.
  ExpressionPtr block_filters();

 private:
  ExpressionPtr conditional(bool allowed);
  ExpressionPtr disjunction();
  ExpressionPtr conjunction();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr signed_operand(bool with_filters);
  ExpressionPtr primary();
  ExpressionPtr parenthesized();
  ExpressionPtr list_display();
  ExpressionPtr dict_display();
  ExpressionPtr postfix(ExpressionPtr operand);
  ExpressionPtr bracketed(ExpressionPtr object);
  ExpressionPtr filters_and_tests(ExpressionPtr operand);
  ExpressionPtr filter(ExpressionPtr input);
  ExpressionPtr test(ExpressionPtr input);
  CallArguments arguments();

  ExpressionPtr make(Expression::Node node);

  TokenStream& tokens_;
};

}  // namespace assay::jinja

#include "tokens/chat/expression_parser.h"

#include <algorithm>
#include <charconv>

namespace assay::jinja {

namespace {

using Kind = Token::Kind;

int height_of(const ExpressionPtr& expression) {
  return expression ? expression->height : 0;
}

int height_of(const std::vector<ExpressionPtr>& expressions) {
  int height = 0;
  for (const auto& expression : expressions) height = std::max(height, height_of(expression));
  return height;
}

int height_of(const CallArguments& arguments) {
  int height = height_of(arguments.positional);
  for (const auto& [name, value] : arguments.named) height = std::max(height, height_of(value));
  return height;
}

/// Height of the tallest child of a node.
struct ChildHeight {
  int operator()(const Literal&) const { return 0; }
  int operator()(const Name&) const { return 0; }
  int operator()(const ListDisplay& n) const { return height_of(n.items); }
  int operator()(const DictDisplay& n) const {
    int height = 0;
    for (const auto& [key, value] : n.entries) height = std::max({height, height_of(key), height_of(value)});
    return height;
  }
  int operator()(const Attribute& n) const { return height_of(n.object); }
  int operator()(const Subscript& n) const { return std::max(height_of(n.object), height_of(n.key)); }
  int operator()(const Slice& n) const {
    return std::max({height_of(n.object), height_of(n.start), height_of(n.stop), height_of(n.step)});
  }
  int operator()(const Call& n) const { return std::max(height_of(n.callee), height_of(n.arguments)); }
  int operator()(const FilterCall& n) const { return std::max(height_of(n.input), height_of(n.arguments)); }
  int operator()(const TestCall& n) const { return std::max(height_of(n.input), height_of(n.arguments)); }
  int operator()(const Unary& n) const { return height_of(n.operand); }
  int operator()(const Binary& n) const { return std::max(height_of(n.left), height_of(n.right)); }
  int operator()(const Logical& n) const { return std::max(height_of(n.left), height_of(n.right)); }
  int operator()(const Comparison& n) const {
    int height = height_of(n.first);
    for (const auto& [op, operand] : n.rest) height = std::max(height, height_of(operand));
    return height;
  }
  int operator()(const Concatenation& n) const { return height_of(n.parts); }
  int operator()(const Conditional& n) const {
    return std::max({height_of(n.condition), height_of(n.value), height_of(n.otherwise)});
  }
};

std::optional<CompareOp> comparison_operator(const Token& token) {
  static constexpr std::pair<std::string_view, CompareOp> kOperators[] = {
      {"==", CompareOp::equal},      {"!=", CompareOp::not_equal}, {"<", CompareOp::less},
      {"<=", CompareOp::less_equal}, {">", CompareOp::greater},    {">=", CompareOp::greater_equal}};
  for (const auto& [symbol, op] : kOperators) {
    if (token.is_op(symbol)) return op;
  }
  if (token.is_name("in")) return CompareOp::in;
  return std::nullopt;
}

}  // namespace

ExpressionPtr ExpressionParser::make(Expression::Node node) {
  const int height = std::visit(ChildHeight{}, node) + 1;
  // Chains such as a + b + c are parsed by a loop, yet nest in the tree, which is evaluated and freed recursively.
  if (height > TokenStream::kMaxDepth) {
    fail("line {}: an expression nested deeper than {} levels", tokens_.current().line, TokenStream::kMaxDepth);
  }
  return std::make_unique<const Expression>(Expression{std::move(node), height});
}

ExpressionPtr ExpressionParser::tuple(bool conditionals) {
  const auto ends = [&] {
    const Token& token = tokens_.current();
    return token.kind == Kind::block_end || token.kind == Kind::variable_end || token.is_op(")") ||
           token.is_name("recursive");
  };
  std::vector<ExpressionPtr> items;
  bool comma = false;
  while (!ends()) {
    items.push_back(conditional(conditionals));
    if (!tokens_.skip_op(",")) break;
    comma = true;
  }
  if (items.empty()) tokens_.refuse("an expression");
  if (!comma) return std::move(items.front());
  return make(ListDisplay{std::move(items), true});
}

ExpressionPtr ExpressionParser::block_filters() {
  ExpressionPtr filtered = filter(nullptr);
  while (tokens_.skip_op("|")) filtered = filter(std::move(filtered));
  return filtered;
}

ExpressionPtr ExpressionParser::conditional(bool allowed) {
  const TokenStream::Level level(tokens_);
  ExpressionPtr value = disjunction();
  while (allowed && tokens_.skip_name("if")) {
    ExpressionPtr condition = disjunction();
    ExpressionPtr otherwise = tokens_.skip_name("else") ? conditional(true) : nullptr;
    value = make(Conditional{std::move(condition), std::move(value), std::move(otherwise)});
  }
  return value;
}

ExpressionPtr ExpressionParser::disjunction() {
  ExpressionPtr left = conjunction();
  while (tokens_.skip_name("or")) {
    ExpressionPtr right = conjunction();
    left = make(Logical{false, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::conjunction() {
  ExpressionPtr left = negation();
  while (tokens_.skip_name("and")) {
    ExpressionPtr right = negation();
    left = make(Logical{true, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::negation() {
  if (!tokens_.skip_name("not")) return comparison();
  const TokenStream::Level level(tokens_);
  return make(Unary{UnaryOp::logical_not, negation()});
}

ExpressionPtr ExpressionParser::comparison() {
  Comparison chain{sum(), {}};
  while (true) {
    auto op = comparison_operator(tokens_.current());
    if (!op && tokens_.current().is_name("not") && tokens_.next().is_name("in")) {
      tokens_.take();
      op = CompareOp::not_in;
    }
    if (!op) break;
    tokens_.take();
    chain.rest.emplace_back(*op, sum());
  }
  return chain.rest.empty() ? std::move(chain.first) : make(std::move(chain));
}

ExpressionPtr ExpressionParser::sum() {
  ExpressionPtr left = concatenation();
  while (tokens_.current().is_op("+") || tokens_.current().is_op("-")) {
    const BinaryOp op = tokens_.take().text == "+" ? BinaryOp::add : BinaryOp::subtract;
    ExpressionPtr right = concatenation();
    left = make(Binary{op, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::concatenation() {
  Concatenation chain;
  chain.parts.push_back(product());
  while (tokens_.skip_op("~")) chain.parts.push_back(product());
  return chain.parts.size() == 1 ? std::move(chain.parts.front()) : make(std::move(chain));
}

ExpressionPtr ExpressionParser::product() {
  static constexpr std::pair<std::string_view, BinaryOp> kOperators[] = {
      {"*", BinaryOp::multiply}, {"/", BinaryOp::divide}, {"//", BinaryOp::floor_divide}, {"%", BinaryOp::modulo}};
  ExpressionPtr left = power();
  while (true) {
    const Token& token = tokens_.current();
    const auto it = std::find_if(std::begin(kOperators), std::end(kOperators),
                                 [&](const auto& entry) { return token.is_op(entry.first); });
    if (it == std::end(kOperators)) return left;
    tokens_.take();
    ExpressionPtr right = power();
    left = make(Binary{it->second, std::move(left), std::move(right)});
  }
}

ExpressionPtr ExpressionParser::power() {
  ExpressionPtr left = signed_operand(true);
  while (tokens_.skip_op("**")) {
    ExpressionPtr right = signed_operand(true);
    left = make(Binary{BinaryOp::power, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::signed_operand(bool with_filters) {
  const TokenStream::Level level(tokens_);
  ExpressionPtr operand;
  if (tokens_.skip_op("-")) {
    operand = make(Unary{UnaryOp::negate, signed_operand(false)});
  } else if (tokens_.skip_op("+")) {
    operand = make(Unary{UnaryOp::plus, signed_operand(false)});
  } else {
    operand = primary();
  }
  operand = postfix(std::move(operand));
  return with_filters ? filters_and_tests(std::move(operand)) : std::move(operand);
}

ExpressionPtr ExpressionParser::primary() {
  if (tokens_.skip_op("(")) return parenthesized();
  if (tokens_.skip_op("[")) return list_display();
  if (tokens_.skip_op("{")) return dict_display();
  const Kind kind = tokens_.current().kind;
  if (kind == Kind::name) {
    std::string name = tokens_.take().text;
    if (name == "true" || name == "True") return make(Literal{Value(true)});
    if (name == "false" || name == "False") return make(Literal{Value(false)});
    if (name == "none" || name == "None") return make(Literal{Value::none()});
    return make(Name{std::move(name)});
  }
  if (kind == Kind::string) {
    std::string text;
    while (tokens_.current().kind == Kind::string) text += tokens_.take().text;
    return make(Literal{Value(std::move(text))});
  }
  if (kind != Kind::integer && kind != Kind::real) tokens_.refuse("an expression");
  const Token number = tokens_.take();
  const char *begin = number.text.data(), *end = begin + number.text.size();
  int64_t integer = 0;
  double real = 0;
  const auto error =
      kind == Kind::integer ? std::from_chars(begin, end, integer).ec : std::from_chars(begin, end, real).ec;
  if (error != std::errc()) fail("line {}: the number {} is too large", number.line, number.text);
  return make(Literal{kind == Kind::integer ? Value(integer) : Value(real)});
}

ExpressionPtr ExpressionParser::parenthesized() {
  if (tokens_.skip_op(")")) return make(ListDisplay{{}, true});
  ExpressionPtr inner = tuple();
  tokens_.expect_op(")");
  return inner;
}

ExpressionPtr ExpressionParser::list_display() {
  ListDisplay list{{}, false};
  while (!tokens_.skip_op("]")) {
    if (!list.items.empty()) tokens_.expect_op(",");
    if (tokens_.skip_op("]")) break;
    list.items.push_back(expression());
  }
  return make(std::move(list));
}

ExpressionPtr ExpressionParser::dict_display() {
  DictDisplay dict;
  while (!tokens_.skip_op("}")) {
    if (!dict.entries.empty()) tokens_.expect_op(",");
    if (tokens_.skip_op("}")) break;
    ExpressionPtr key = expression();
    tokens_.expect_op(":");
    dict.entries.emplace_back(std::move(key), expression());
  }
  return make(std::move(dict));
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr operand) {
  while (true) {
    if (tokens_.skip_op(".")) {
      if (tokens_.current().kind == Kind::integer) {
        operand = make(Subscript{std::move(operand), primary()});
      } else {
        operand = make(Attribute{std::move(operand), tokens_.expect_name("a name after '.'")});
      }
    } else if (tokens_.skip_op("[")) {
      operand = bracketed(std::move(operand));
    } else if (tokens_.skip_op("(")) {
      operand = make(Call{std::move(operand), arguments()});
    } else {
      return operand;
    }
  }
}

ExpressionPtr ExpressionParser::bracketed(ExpressionPtr object) {
  const auto bound = [&]() -> ExpressionPtr {
    return tokens_.current().is_op(":") || tokens_.current().is_op("]") ? nullptr : expression();
  };
  ExpressionPtr start = bound();
  if (!tokens_.skip_op(":")) {
    if (!start) tokens_.refuse("an index");
    tokens_.expect_op("]");
    return make(Subscript{std::move(object), std::move(start)});
  }
  ExpressionPtr stop = bound();
  ExpressionPtr step = tokens_.skip_op(":") ? bound() : nullptr;
  tokens_.expect_op("]");
  return make(Slice{std::move(object), std::move(start), std::move(stop), std::move(step)});
}

ExpressionPtr ExpressionParser::filters_and_tests(ExpressionPtr operand) {
  while (true) {
    if (tokens_.skip_op("|")) {
      operand = filter(std::move(operand));
    } else if (tokens_.skip_name("is")) {
      operand = test(std::move(operand));
    } else if (tokens_.skip_op("(")) {
      operand = make(Call{std::move(operand), arguments()});
    } else {
      return operand;
    }
  }
}

ExpressionPtr ExpressionParser::filter(ExpressionPtr input) {
  FilterCall call{std::move(input), tokens_.expect_name("the name of a filter"), {}};
  if (tokens_.skip_op("(")) call.arguments = arguments();
  return make(std::move(call));
}

ExpressionPtr ExpressionParser::test(ExpressionPtr input) {
  const bool negated = tokens_.skip_name("not");
  TestCall call{std::move(input), tokens_.expect_name("the name of a test"), {}, negated};
  const Token& token = tokens_.current();
  if (tokens_.skip_op("(")) {
    call.arguments = arguments();
  } else if (token.is_name("is")) {
    tokens_.refuse("an operator: tests cannot be chained");
  } else if (token.kind == Kind::string || token.kind == Kind::integer || token.kind == Kind::real ||
             token.is_op("[") || token.is_op("{") ||
             (token.kind == Kind::name && !token.is_name("else") && !token.is_name("or") && !token.is_name("and"))) {
    call.arguments.positional.push_back(postfix(primary()));
  }
  return make(std::move(call));
}

CallArguments ExpressionParser::arguments() {
  CallArguments out;
  for (bool first = true; !tokens_.skip_op(")"); first = false) {
    if (!first) tokens_.expect_op(",");
    if (tokens_.skip_op(")")) break;
    if (tokens_.current().kind == Kind::name && tokens_.next().is_op("=")) {
      std::string name = tokens_.take().text;
      tokens_.take();
      out.named.emplace_back(std::move(name), expression());
    } else {
      if (!out.named.empty()) tokens_.refuse("a named argument after the others");
      out.positional.push_back(expression());
    }
  }
  return out;
}

}  // namespace assay::jinja

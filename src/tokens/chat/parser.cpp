#include "tokens/chat/parser.h"

#include <algorithm>

#include "tokens/chat/expression_parser.h"

namespace assay::jinja {

namespace {

using Kind = Token::Kind;

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize(source)), expressions_(tokens_) {}

  Body run() {
    Body all = body({});
    if (tokens_.current().kind != Kind::end) refuse_block();
    return all;
  }

 private:
  /// Statements up to a block that begins with one of `ends`, of which `{%` is passed and the name is current.
  Body body(const std::vector<std::string_view>& ends) {
    const TokenStream::Level level(tokens_);
    Body out;
    while (tokens_.current().kind != Kind::end) {
      const int line = tokens_.current().line;
      if (tokens_.current().kind == Kind::data) {
        add(out, Data{tokens_.take().text}, line);
      } else if (tokens_.current().kind == Kind::variable_begin) {
        tokens_.take();
        add(out, Output{expressions_.tuple()}, line);
        tokens_.expect(Kind::variable_end, "}}");
      } else {
        tokens_.expect(Kind::block_begin, "a tag");
        const Token& name = tokens_.current();
        if (std::any_of(ends.begin(), ends.end(), [&](auto end) { return name.is_name(end); })) return out;
        statement(out, line);
      }
    }
    if (!ends.empty()) tokens_.refuse(ends.back());
    return out;
  }

  static void add(Body& body, Statement::Node node, int line) {
    body.push_back(std::make_unique<const Statement>(Statement{std::move(node), line}));
  }

  [[noreturn]] void refuse_block() const {
    const Token& token = tokens_.current();
    fail("line {}: the block '{}' is unknown, not supported, or closes nothing", token.line, token.text);
  }

  void end_tag(std::string_view name) {
    if (!tokens_.skip_name(name)) tokens_.refuse(name);
    end_block();
  }
  void end_block() { tokens_.expect(Kind::block_end, "%}"); }

  void statement(Body& out, int line) {
    if (tokens_.skip_name("if")) return add(out, if_block(), line);
    if (tokens_.skip_name("for")) return add(out, for_block(), line);
    if (tokens_.skip_name("set")) return add(out, set(), line);
    if (tokens_.skip_name("macro")) return add(out, macro(), line);
    if (tokens_.skip_name("filter")) return add(out, filter_block(), line);
    if (tokens_.skip_name("with")) return add(out, with_block(), line);
    if (tokens_.skip_name("generation")) return add(out, generation_block(), line);
    const bool breaks = tokens_.current().is_name("break");
    if (!breaks && !tokens_.current().is_name("continue")) refuse_block();
    if (loops_ == 0) tokens_.refuse("no break or continue outside a loop");
    tokens_.take();
    end_block();
    add(out, breaks ? Statement::Node(Break{}) : Statement::Node(Continue{}), line);
  }

  If if_block() {
    If out;
    while (true) {
      ExpressionPtr condition = expressions_.tuple(false);
      end_block();
      out.branches.emplace_back(std::move(condition), body({"elif", "else", "endif"}));
      if (!tokens_.skip_name("elif")) break;
    }
    if (tokens_.skip_name("else")) {
      end_block();
      out.otherwise = body({"endif"});
    }
    end_tag("endif");
    return out;
  }

  For for_block() {
    For out;
    out.target = target(false);
    if (!tokens_.skip_name("in")) tokens_.refuse("in");
    out.items = expressions_.tuple(false);
    if (tokens_.skip_name("if")) out.condition = expressions_.expression();
    if (tokens_.current().is_name("recursive")) tokens_.refuse("no recursive loop: they are not supported");
    end_block();
    ++loops_;
    out.body = body({"else", "endfor"});
    --loops_;
    if (tokens_.skip_name("else")) {
      end_block();
      out.otherwise = body({"endfor"});
    }
    end_tag("endfor");
    return out;
  }

  /// The body of a block whose scope loop controls cannot leave.
  Body closed_body(std::string_view end) {
    const int outer = std::exchange(loops_, 0);
    Body out = body({end});
    loops_ = outer;
    end_tag(end);
    return out;
  }

  Statement::Node set() {
    Target to = target(true);
    if (tokens_.skip_op("=")) {
      ExpressionPtr value = expressions_.tuple();
      end_block();
      return Set{std::move(to), std::move(value)};
    }
    ExpressionPtr filters = tokens_.skip_op("|") ? expressions_.block_filters() : nullptr;
    end_block();
    if (!to.members.empty()) tokens_.refuse("one name for a set block");
    return Capture{std::move(to), std::move(filters), closed_body("endset")};
  }

  Capture filter_block() {
    ExpressionPtr filters = expressions_.block_filters();
    end_block();
    return {{}, std::move(filters), closed_body("endfilter")};
  }

  Macro macro() {
    Macro out;
    out.name = tokens_.expect_name("the name of the macro");
    tokens_.expect_op("(");
    for (bool first = true; !tokens_.skip_op(")"); first = false) {
      if (!first) tokens_.expect_op(",");
      std::string name = tokens_.expect_name("the name of a parameter");
      ExpressionPtr value = tokens_.skip_op("=") ? expressions_.expression() : nullptr;
      if (!value && !out.parameters.empty() && out.parameters.back().second) {
        tokens_.refuse("a default for every parameter after the first that has one");
      }
      out.parameters.emplace_back(std::move(name), std::move(value));
    }
    end_block();
    out.body = closed_body("endmacro");
    return out;
  }

  With with_block() {
    With out;
    while (tokens_.current().kind != Kind::block_end) {
      if (!out.assignments.empty()) tokens_.expect_op(",");
      Target to = target(false);
      tokens_.expect_op("=");
      out.assignments.emplace_back(std::move(to), expressions_.expression());
    }
    end_block();
    out.body = body({"endwith"});
    end_tag("endwith");
    return out;
  }

  With generation_block() {
    end_block();
    return {{}, closed_body("endgeneration")};
  }

  Target target(bool fields) {
    const TokenStream::Level level(tokens_);
    std::vector<Target> members;
    bool comma = false;
    do {
      if (comma && (tokens_.current().is_name("in") || tokens_.current().is_op("=") || tokens_.current().is_op(")")))
        break;
      members.push_back(single_target(fields));
    } while (tokens_.skip_op(",") && (comma = true));
    if (!comma) return std::move(members.front());
    return {"", "", std::move(members)};
  }

  Target single_target(bool fields) {
    if (tokens_.skip_op("(")) {
      Target inner = target(fields);
      tokens_.expect_op(")");
      return inner;
    }
    Target out{tokens_.expect_name("a name to assign to"), "", {}};
    for (const auto constant : {"true", "false", "none", "True", "False", "None"}) {
      if (out.name == constant) tokens_.refuse("a name to assign to, not a constant");
    }
    if (fields && tokens_.skip_op(".")) out.field = tokens_.expect_name("the field of a namespace");
    return out;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int loops_ = 0;  ///< loops around the current statement, inside its macro
};

}  // namespace

Body parse(std::string_view source) {
  return Parser(source).run();
}

}  // namespace assay::jinja

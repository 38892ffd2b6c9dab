#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokens/chat/lexer.h"

namespace assay::jinja {

/// The tokens of a template, read one after the other by both parsers.
class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[at_]; }
  /// The token after the current one.
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take() {
    const Token token = current();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool skip_op(std::string_view op) { return skip(current().is_op(op)); }
  bool skip_name(std::string_view name) { return skip(current().is_name(name)); }

  std::string expect_name(std::string_view what) {
    if (current().kind != Token::Kind::name) refuse(what);
    return take().text;
  }
  void expect_op(std::string_view op) {
    if (!skip_op(op)) refuse(op);
  }
  void expect(Token::Kind kind, std::string_view what) {
    if (!skip(current().kind == kind)) refuse(what);
  }
  [[noreturn]] void refuse(std::string_view expected) const {
    const Token& token = current();
    const std::string found = token.kind == Token::Kind::end ? "the end of the template"
                              : token.text.empty()           ? "the end of the tag"
                                                             : fmt::format("'{}'", token.text.substr(0, 40));
    fail("line {}: expected {}, found {}", token.line, expected, found);
  }

  /// One level of nested parsing, for as long as it lives.
  class Level {
   public:
    explicit Level(TokenStream& stream) : stream_(stream) {
      if (++stream_.depth_ > kMaxDepth) {
        fail("line {}: nested deeper than {} levels", stream.current().line, kMaxDepth);
      }
    }
    ~Level() { --stream_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    TokenStream& stream_;
  };
  static constexpr int kMaxDepth = 200;

 private:
  bool skip(bool matches) {
    if (matches) take();
    return matches;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace assay::jinja

#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace assay::jinja {

struct Token {
  enum class Kind { data, block_begin, block_end, variable_begin, variable_end, name, string, integer, real, op, end };
  Kind kind;
  std::string text;  ///< strings without quotes and with escapes resolved
  int line;

  bool is(Kind wanted, std::string_view wanted_text) const { return kind == wanted && text == wanted_text; }
  bool is_name(std::string_view wanted) const { return is(Kind::name, wanted); }
  bool is_op(std::string_view wanted) const { return is(Kind::op, wanted); }
};

/// Cuts a template into tokens, with the white-space rules that chat templates are written for: the newline after a
/// block tag goes (trim_blocks), white space before a block tag that begins its line goes (lstrip_blocks), `-` strips
/// all white space on its side, `+` none, and one newline at the end of the template goes. Comments vanish.
std::vector<Token> tokenize(std::string_view source);

}  // namespace assay::jinja

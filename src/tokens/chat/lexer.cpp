#include "tokens/chat/lexer.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "tokens/chat/text.h"

namespace assay::jinja {

namespace {

using Kind = Token::Kind;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

/// All line ends as "\n", without the last one.
std::string normalized(std::string_view source) {
  std::string out;
  for (size_t i = 0; i < source.size(); ++i) {
    const bool crlf = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
    if (!crlf) out += source[i] == '\r' ? '\n' : source[i];
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

/// The escapes of a Python string literal.
std::string unescaped(std::string_view text, int line) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    static constexpr std::string_view kNames = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
    const char c = text[++i];
    const size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (const size_t at = kNames.find(c); at != kNames.npos) {
      out += kValues[at];
    } else if (width > 0) {
      uint32_t code = 0;
      const char* digits = text.data() + i + 1;
      const bool complete = text.size() - i - 1 >= width;
      if (!complete || std::from_chars(digits, digits + width, code, 16).ptr != digits + width || code > 0x10FFFF ||
          (code >= 0xD800 && code < 0xE000)) {
        fail("line {}: \\{} must be followed by the {} hexadecimal digits of a character", line, c, width);
      }
      text::append_utf8(out, code);
      i += width;
    } else if (c >= '0' && c <= '7') {
      uint32_t code = 0;
      const char* digits = text.data() + i;
      const size_t most = std::min<size_t>(3, text.size() - i);
      i += static_cast<size_t>(std::from_chars(digits, digits + most, code, 8).ptr - digits) - 1;
      text::append_utf8(out, code);
    } else if (c != '\n') {
      out += {'\\', c};
    }
  }
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)), rest_(source_) {}

  std::vector<Token> run() {
    while (!rest_.empty()) {
      const size_t tag = find_tag();
      if (tag == std::string_view::npos) {
        add_data(rest_);
        break;
      }
      const char kind = rest_[tag + 1];
      const char sign = tag + 2 < rest_.size() ? rest_[tag + 2] : ' ';
      const std::string_view data = rest_.substr(0, tag);
      add_data(stripped_before_tag(data, kind, sign));
      advance(tag + (sign == '-' || sign == '+' ? 3 : 2));
      if (kind == '#') {
        skip_comment();
      } else if (kind == '%' && begins_raw()) {
        raw_block();
      } else {
        tag_tokens(kind == '%');
      }
    }
    tokens_.push_back({Kind::end, "", line_});
    return std::move(tokens_);
  }

 private:
  size_t find_tag() const {
    for (size_t at = 0; (at = rest_.find('{', at)) != std::string_view::npos && at + 1 < rest_.size(); ++at) {
      if (std::string_view("{%#").find(rest_[at + 1]) != std::string_view::npos) return at;
    }
    return std::string_view::npos;
  }

  /// Text before a tag of `kind` ({, % or #) whose first character is `sign`.
  std::string_view stripped_before_tag(std::string_view data, char kind, char sign) const {
    if (sign == '-') return text::strip(data, text::Side::right);
    if (sign == '+' || kind == '{') return data;
    const size_t newline = data.rfind('\n');
    if (newline == std::string_view::npos && !line_starting_) return data;
    const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
    return text::strip(data.substr(line_begin)).empty() ? data.substr(0, line_begin) : data;
  }

  void add_data(std::string_view data) {
    if (!data.empty()) tokens_.push_back({Kind::data, std::string(data), line_});
  }

  void advance(size_t count) {
    const std::string_view passed = rest_.substr(0, count);
    line_ += static_cast<int>(std::count(passed.begin(), passed.end(), '\n'));
    if (count > 0) line_starting_ = passed.ends_with('\n');
    rest_.remove_prefix(count);
  }

  void skip_spaces() { advance(rest_.size() - text::strip(rest_, text::Side::left).size()); }

  /// Passes the end of a tag: its sign, its two characters `closing`, and the white space that goes with it.
  /// False when the rest does not begin with it.
  bool pass_end(std::string_view closing, bool trims_newline) {
    const bool minus = rest_.starts_with('-') && rest_.substr(1).starts_with(closing);
    const bool plus = trims_newline && rest_.starts_with('+') && rest_.substr(1).starts_with(closing);
    if (!minus && !plus && !rest_.starts_with(closing)) return false;
    advance(minus || plus ? 3 : 2);
    if (minus) skip_spaces();
    if (!minus && !plus && trims_newline && rest_.starts_with('\n')) advance(1);
    return true;
  }

  void skip_comment() {
    const size_t end = rest_.find("#}");
    if (end == std::string_view::npos) fail("line {}: a comment {{# is not closed by #}}", line_);
    const bool signed_end = end > 0 && (rest_[end - 1] == '-' || rest_[end - 1] == '+');
    advance(signed_end ? end - 1 : end);
    pass_end("#}", true);
  }

  bool begins_raw() const {
    const std::string_view word = text::strip(rest_, text::Side::left);
    if (!word.starts_with("raw")) return false;
    const std::string_view after = text::strip(word.substr(3), text::Side::left);
    return after.starts_with("%}") || after.starts_with("-%}");
  }

  void raw_block() {
    const int begin_line = line_;
    skip_spaces();
    advance(3);
    skip_spaces();
    pass_end("%}", false);
    for (size_t at = 0; (at = rest_.find("{%", at)) != std::string_view::npos; ++at) {
      const char sign = at + 2 < rest_.size() ? rest_[at + 2] : ' ';
      const size_t inside = at + (sign == '-' || sign == '+' ? 3 : 2);
      const std::string_view word = text::strip(rest_.substr(inside), text::Side::left);
      if (!word.starts_with("endraw")) continue;
      add_data(stripped_before_tag(rest_.substr(0, at), '%', sign));
      advance(inside);
      skip_spaces();
      advance(6);
      skip_spaces();
      if (!pass_end("%}", true)) fail("line {}: endraw is not closed by %}}", line_);
      return;
    }
    fail("line {}: raw is not ended by endraw", begin_line);
  }

  void tag_tokens(bool block) {
    const int begin_line = line_;
    const std::string_view closing = block ? "%}" : "}}";
    tokens_.push_back({block ? Kind::block_begin : Kind::variable_begin, "", line_});
    std::string open;  // brackets not yet closed: an end of tag among them is not one
    while (true) {
      skip_spaces();
      if (rest_.empty()) fail("line {}: a tag is not closed by {}", begin_line, closing);
      const int line = line_;
      if (open.empty() && pass_end(closing, block)) {
        tokens_.push_back({block ? Kind::block_end : Kind::variable_end, "", line});
        return;
      }
      expression_token();
      const Token& token = tokens_.back();
      if (token.kind == Kind::op) balance(open, token);
    }
  }

  static void balance(std::string& open, const Token& token) {
    static constexpr std::string_view kOpening = "([{", kClosing = ")]}";
    if (kOpening.find(token.text) != std::string_view::npos) open += token.text;
    const size_t closing = kClosing.find(token.text);
    if (closing == std::string_view::npos) return;
    if (open.empty() || open.back() != kOpening[closing]) fail("line {}: '{}' closes nothing", token.line, token.text);
    open.pop_back();
  }

  void expression_token() {
    const char c = rest_[0];
    if (begins_name(c)) {
      const auto end =
          std::find_if_not(rest_.begin(), rest_.end(), [](char k) { return begins_name(k) || is_digit(k); });
      take(Kind::name, static_cast<size_t>(end - rest_.begin()));
    } else if (is_digit(c)) {
      number();
    } else if (c == '"' || c == '\'') {
      string(c);
    } else {
      static constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                        "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                        ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
      for (const auto op : kOperators) {
        if (rest_.starts_with(op)) return take(Kind::op, op.size());
      }
      fail("line {}: unexpected character '{}'", line_, c);
    }
  }

  void take(Kind kind, size_t length) {
    tokens_.push_back({kind, std::string(rest_.substr(0, length)), line_});
    advance(length);
  }

  void number() {
    const auto digits = [&](size_t at) {
      while (at < rest_.size() &&
             (is_digit(rest_[at]) || (rest_[at] == '_' && at + 1 < rest_.size() && is_digit(rest_[at + 1]))))
        ++at;
      return at;
    };
    const auto digit_at = [&](size_t at) { return at < rest_.size() && is_digit(rest_[at]); };
    const size_t whole = digits(0);
    size_t end = whole;
    // In `a.0.1` the second dot is another index, not a decimal point.
    const bool after_dot = !tokens_.empty() && tokens_.back().is_op(".");
    if (!after_dot && end < rest_.size() && rest_[end] == '.' && digit_at(end + 1)) end = digits(end + 1);
    if (!after_dot && end < rest_.size() && (rest_[end] == 'e' || rest_[end] == 'E')) {
      const size_t exponent =
          end + 1 < rest_.size() && (rest_[end + 1] == '+' || rest_[end + 1] == '-') ? end + 2 : end + 1;
      if (digit_at(exponent)) end = digits(exponent);
    }
    take(end == whole ? Kind::integer : Kind::real, end);
    std::erase(tokens_.back().text, '_');
  }

  void string(char quote) {
    size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) fail("line {}: a string is not closed by {}", line_, quote);
    tokens_.push_back({Kind::string, unescaped(rest_.substr(1, end - 1), line_), line_});
    advance(end + 1);
  }

  std::string source_;
  std::string_view rest_;
  std::vector<Token> tokens_;
  int line_ = 1;
  bool line_starting_ = true;  ///< the last tag ended its line, or there was none yet
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace assay::jinja

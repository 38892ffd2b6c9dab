#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace assay::text {

/// Bytes of the character that begins with this byte; 1 for a byte that begins none.
inline size_t utf8_length(unsigned char lead) {
  return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 1;
}

/// The character at `at`, which moves past it. Meant for well-formed text; anything else is read without harm.
inline char32_t next_char(std::string_view text, size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t length = utf8_length(lead);
  if (length == 1 || at + length > text.size()) return static_cast<void>(++at), lead;
  char32_t code = lead & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
  at += length;
  return code;
}

void append_char(std::string& out, char32_t code);

bool valid_utf8(std::string_view text);

/// Well-formed text: every maximal ill-formed part becomes one U+FFFD, as in bytes.decode("utf-8", "replace").
std::string repair_utf8(std::string_view text);

/// Unicode White_Space.
bool is_white_space(char32_t code);
/// Numeric: general category N*.
bool is_numeric(char32_t code);
/// ASCII punctuation or general category P*.
bool is_punctuation(char32_t code);
/// General category M*; `nonspacing_only`: Mn.
bool is_mark(char32_t code, bool nonspacing_only);
/// What `\w` matches: alphabetic, mark, decimal digit, connector, joiner.
bool is_word(char32_t code);

}  // namespace assay::text

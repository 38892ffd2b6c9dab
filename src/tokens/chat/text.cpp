#include "tokens/chat/text.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <charconv>
#include <cmath>
#include <cstring>

namespace assay::text {

namespace {

std::string map_characters(std::string_view text, utf8proc_int32_t (*map)(utf8proc_int32_t)) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) append_utf8(out, map(next_code_point(text, at)));
  return out;
}

utf8proc_int32_t upper_of(utf8proc_int32_t c) {
  return utf8proc_toupper(c);
}
utf8proc_int32_t lower_of(utf8proc_int32_t c) {
  return utf8proc_tolower(c);
}

bool contains(std::string_view characters, char32_t wanted) {
  for (size_t at = 0; at < characters.size();) {
    if (next_code_point(characters, at) == wanted) return true;
  }
  return false;
}

}  // namespace

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    utf8proc_int32_t code_point;
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at);
    const auto left = static_cast<utf8proc_ssize_t>(text.size() - at);
    const auto length = utf8proc_iterate(bytes, left, &code_point);
    if (length <= 0) return at;
    at += static_cast<size_t>(length);
  }
  return std::string_view::npos;
}

char32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(at);
  const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t code_point = length == 1 ? lead : lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) code_point = code_point << 6 | (byte(at + i) & 0x3F);
  at = std::min(at + length, text.size());
  return code_point;
}

void append_utf8(std::string& out, char32_t c) {
  const auto tail = [](char32_t bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xC0 | c >> 6), tail(c)};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xE0 | c >> 12), tail(c >> 6), tail(c)};
  } else {
    out += {static_cast<char>(0xF0 | c >> 18), tail(c >> 12), tail(c >> 6), tail(c)};
  }
}

std::vector<size_t> code_point_offsets(std::string_view text) {
  std::vector<size_t> offsets;
  for (size_t at = 0; at < text.size(); next_code_point(text, at)) offsets.push_back(at);
  offsets.push_back(text.size());
  return offsets;
}

int64_t code_point_count(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(char32_t c) {
  if (c == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

std::string_view strip(std::string_view text, Side side, std::string_view characters) {
  const auto goes = [&](char32_t c) { return characters.empty() ? is_space(c) : contains(characters, c); };
  size_t begin = 0, end = text.size();
  while (side != Side::right && begin < end) {
    size_t at = begin;
    if (!goes(next_code_point(text, at))) break;
    begin = at;
  }
  while (side != Side::left && begin < end) {
    size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    size_t at = last;
    if (!goes(next_code_point(text, at))) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

size_t find(std::string_view text, std::string_view what, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (what.empty()) return from;
  // memmem is the two-way algorithm; std::string_view::find is quadratic on texts made for it.
  const void* hit = memmem(text.data() + from, text.size() - from, what.data(), what.size());
  return hit ? static_cast<size_t>(static_cast<const char*>(hit) - text.data()) : std::string_view::npos;
}

std::string upper(std::string_view text) {
  return map_characters(text, upper_of);
}
std::string lower(std::string_view text) {
  return map_characters(text, lower_of);
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  size_t rest = 0;
  std::string out;
  append_utf8(out, utf8proc_totitle(static_cast<utf8proc_int32_t>(next_code_point(text, rest))));
  return out + lower(text.substr(rest));
}

std::string float_repr(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr;
  const std::string_view shortest(buffer, static_cast<size_t>(end - buffer));
  const size_t e = shortest.find('e');
  int exponent = 0;
  const char* digits = shortest.data() + e + 1;
  std::from_chars(*digits == '+' ? digits + 1 : digits, end, exponent);
  // Python leaves positional notation below 1e-4 and from 1e16 on; its exponent has at least two digits as here.
  if (exponent < -4 || exponent >= 16) return std::string(shortest);
  char positional[64];
  const auto stop = std::to_chars(positional, positional + sizeof positional, number, std::chars_format::fixed).ptr;
  std::string out(positional, stop);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

std::string quoted_repr(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = next_code_point(text, at);
    if (c == '\\' || c == static_cast<char32_t>(quote)) {
      out += {'\\', static_cast<char>(c)};
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c)) {
      out += text.substr(begin, at - begin);
    } else {
      const auto code = static_cast<uint32_t>(c);
      out += code < 0x100     ? fmt::format("\\x{:02x}", code)
             : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
    }
  }
  return out + quote;
}

std::string json_string(std::string_view text, bool ascii_only) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const auto c = static_cast<uint32_t>(next_code_point(text, at));
    if (c == '"' || c == '\\') {
      out += {'\\', static_cast<char>(c)};
    } else if (c >= 0x08 && c <= 0x0D && c != 0x0B) {
      out += {'\\', "btn-fr"[c - 0x08]};
    } else if (c < 0x20 || (ascii_only && c == 0x7F)) {
      out += fmt::format("\\u{:04x}", c);
    } else if (c < 0x80 || !ascii_only) {
      out += text.substr(begin, at - begin);
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
    }
  }
  return out + '"';
}

}  // namespace assay::text

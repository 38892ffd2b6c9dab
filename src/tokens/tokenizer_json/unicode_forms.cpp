#include "tokens/tokenizer_json/unicode_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

constexpr int kMaxDecomposition = 32;  // characters; the longest in Unicode has 18

int combining_class(utf8proc_int32_t code) {
  return utf8proc_get_property(code)->combining_class;
}

/// Canonical order by one stable sort of every run of marks. utf8proc's own ordering takes quadratic time on long runs.
void order_marks(std::vector<utf8proc_int32_t>& codes) {
  for (size_t at = 0; at < codes.size(); ++at) {
    size_t end = at;
    while (end < codes.size() && combining_class(codes[end]) != 0) ++end;
    if (end - at > 1) {
      std::stable_sort(codes.begin() + at, codes.begin() + end,
                       [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    }
    at = end;
  }
}

void append_form(std::string& out, std::string_view text, UnicodeForm form) {
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (form.compatibility ? UTF8PROC_COMPAT : 0));
  std::vector<utf8proc_int32_t> codes;
  int boundary = 0;
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t buffer[kMaxDecomposition];
    const auto code = static_cast<utf8proc_int32_t>(next_char(text, at));
    const auto count = utf8proc_decompose_char(code, buffer, kMaxDecomposition, options, &boundary);
    ASSAY_CHECK(count >= 0 && count <= kMaxDecomposition);
    codes.insert(codes.end(), buffer, buffer + count);
  }
  order_marks(codes);
  if (form.compose) {
    const auto compose = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    const auto count = utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()), compose);
    ASSAY_CHECK(count >= 0);
    codes.resize(static_cast<size_t>(count));
  }
  for (const utf8proc_int32_t code : codes) append_char(out, static_cast<char32_t>(code));
}

bool is_ascii(char c) {
  return static_cast<uint8_t>(c) < 0x80;
}

}  // namespace

std::string to_form(std::string_view text, UnicodeForm form) {
  // ASCII is the same in every form and never joins what stands before it, so only stretches of other characters, with
  // the one ASCII character that their marks may join, go through the tables.
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    if (is_ascii(text[at])) {
      ++at;
      continue;
    }
    const size_t begin = at == done ? at : at - 1;
    out.append(text, done, begin - done);
    while (at < text.size() && !is_ascii(text[at])) ++at;
    append_form(out, text.substr(begin, at - begin), form);
    done = at;
  }
  return out.append(text, done);
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const char32_t code = next_char(text, at);
    if (code == 0x130) {  // the only character whose lower case is two characters
      out += "i\u0307";
    } else {
      append_char(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))));
    }
  }
  return out;
}

}  // namespace assay::text

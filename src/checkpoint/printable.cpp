#include "checkpoint/printable.h"

#include <fmt/core.h>

namespace assay {

namespace {

constexpr size_t kMaxShown = 200;

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

std::string printable(std::string_view text) {
  size_t end = text.size();
  if (end > kMaxShown) {
    end = kMaxShown;
    while (end > 0 && continues_character(text[end])) --end;
  }
  std::string out = "\"";
  for (const char c : text.substr(0, end)) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7f) {
      out += fmt::format("\\x{:02x}", code);
    } else {
      out += c;
    }
  }
  return out + (end < text.size() ? "...\"" : "\"");
}

}  // namespace assay

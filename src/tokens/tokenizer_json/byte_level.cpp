#include "tokens/tokenizer_json/byte_level.h"

#include <array>

#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

struct Tables {
  std::array<std::string, 256> spelling;
  std::array<int, 256 + 68> byte;

  Tables() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      const char32_t code = itself ? static_cast<char32_t>(b) : next++;
      append_char(spelling[b], code);
      byte[code] = b;
    }
  }
};

const Tables& tables() {
  static const Tables instance;
  return instance;
}

constexpr std::string_view kHex = "0123456789ABCDEF";

}  // namespace

void append_byte_level(std::string& out, std::string_view bytes) {
  const Tables& table = tables();
  for (const char byte : bytes) {
    const std::string& spelling = table.spelling[static_cast<uint8_t>(byte)];
    out += spelling[0];
    if (spelling.size() == 2) out += spelling[1];
  }
}

int byte_level_byte(char32_t code) {
  return code < tables().byte.size() ? tables().byte[code] : -1;
}

int byte_piece_value(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  int value = 0;
  for (const char c : piece.substr(3, 2)) {
    const char upper = c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
    const size_t digit = kHex.find(upper);
    if (digit == std::string_view::npos) return -1;
    value = value * 16 + static_cast<int>(digit);
  }
  return value;
}

std::string byte_piece(unsigned char byte) {
  return {'<', '0', 'x', kHex[byte >> 4], kHex[byte & 15], '>'};
}

}  // namespace assay::text

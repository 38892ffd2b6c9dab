#include "tokens/tokenizer_json/charsmap.h"

#include <algorithm>

#include "base/error.h"

namespace assay::text {

namespace {

constexpr size_t kMaxKey = 256;  // bytes; far above any key, it bounds a walk through a trie with cycles

// Bits of a unit: 0-7 label, 8 has a value child, 9 scale of the offset, 10-30 offset, 31 set in value units.
uint32_t offset_of(uint32_t unit) {
  return (unit >> 10) << ((unit & 0x200) >> 6);
}

uint32_t little_endian(const char* bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

CharsMap::CharsMap(std::string_view blob, std::string where) : where_(std::move(where)) {
  const uint32_t trie_bytes = blob.size() >= 4 ? little_endian(blob.data()) : 0;
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4) {
    fail("{}: character map of {} bytes says that its trie has {}", where_, blob.size(), trie_bytes);
  }
  trie_.resize(trie_bytes / 4);
  for (size_t i = 0; i < trie_.size(); ++i) trie_[i] = little_endian(blob.data() + 4 + 4 * i);
  replacements_ = blob.substr(4 + size_t{trie_bytes});
}

uint32_t CharsMap::unit(uint32_t at) const {
  if (at >= trie_.size()) fail("{}: character map is damaged: unit {} of {}", where_, at, trie_.size());
  return trie_[at];
}

CharsMap::Match CharsMap::find(std::string_view text, size_t max_matches) const {
  Match match;
  size_t matches = 0;
  uint32_t at = offset_of(unit(0));
  for (size_t i = 0; i < std::min(text.size(), kMaxKey); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    at ^= byte;
    const uint32_t here = unit(at);
    if ((here & 0x800000ffu) != byte) break;
    at ^= offset_of(here);
    if ((here & 0x100) == 0) continue;
    const uint32_t begin = unit(at) & 0x7fffffffu;
    if (begin >= replacements_.size()) {
      fail("{}: character map is damaged: replacement at {} of {}", where_, begin, replacements_.size());
    }
    const size_t end = replacements_.find('\0', begin);
    match = {i + 1, std::string_view(replacements_).substr(begin, end == std::string::npos ? end : end - begin)};
    if (++matches == max_matches) break;
  }
  return match;
}

std::string decode_base64(std::string_view text, const std::string& where) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) fail("{}: not base64: character 0x{:02x}", where, static_cast<uint8_t>(c));
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return out;
}

}  // namespace assay::text

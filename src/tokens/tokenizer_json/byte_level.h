#pragma once
#include <string>
#include <string_view>

namespace assay::text {

/// Byte-level vocabularies spell every byte as one printable character: 33-126, 161-172 and 174-255 as themselves, the
/// other 68 in ascending order as U+0100 and up. Appends the spelling of `bytes`.
void append_byte_level(std::string& out, std::string_view bytes);

/// The byte that a character spells, or -1.
int byte_level_byte(char32_t code);

/// The byte that "<0xNN>" names, or -1.
int byte_piece_value(std::string_view piece);
/// "<0xNN>".
std::string byte_piece(unsigned char byte);

}  // namespace assay::text

#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Text as Python sees it: UTF-8 bytes here, but indices, white space, case and number formats are Python's.
namespace assay::text {

/// Byte offset of the first malformed UTF-8 sequence (surrogates and overlong forms included), or npos.
size_t find_invalid_utf8(std::string_view text);

/// The code point at byte `at` of valid UTF-8; `at` moves behind it.
char32_t next_code_point(std::string_view text, size_t& at);
void append_utf8(std::string& out, char32_t code_point);
/// Byte offsets of all code points, and the size of the text as last element.
std::vector<size_t> code_point_offsets(std::string_view text);
int64_t code_point_count(std::string_view text);

/// str.isspace() of one character.
bool is_space(char32_t code_point);
/// str.isprintable() of one character.
bool is_printable(char32_t code_point);

/// str.strip() and its one-sided forms; `characters` empty: white space.
enum class Side { left, right, both };
std::string_view strip(std::string_view text, Side side = Side::both, std::string_view characters = {});

/// First occurrence at or after `from`, in linear time whatever the texts are; npos if there is none.
size_t find(std::string_view text, std::string_view what, size_t from = 0);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
/// str.capitalize(): the first character in title case, the others in lower case.
std::string capitalize(std::string_view text);

/// repr() of a float: the shortest digits that read back as the same number.
std::string float_repr(double number);
/// repr() of a str.
std::string quoted_repr(std::string_view text);
/// A JSON string as Python's json.dumps writes it.
std::string json_string(std::string_view text, bool ascii_only);

}  // namespace assay::text

#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace assay {

/// The lines of a text: with text, the line as it is with its newline; blank, the empty string.
std::vector<std::string> text_rows(const std::string& text);

/// The text column of a file with one JSON object a line, or of one JSON list of objects; null counts as blank. Stops
/// after `max_rows` (0: all). Error naming the line, and the columns there are, when a row lacks the column.
std::vector<std::string> json_rows(const std::filesystem::path& file, const std::string& column, int64_t max_rows);

}  // namespace assay

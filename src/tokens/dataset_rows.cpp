#include "tokens/dataset_rows.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "tokens/chat/text.h"

namespace assay {

namespace {

std::string column_of(const Json& row, const std::string& column, const std::string& where) {
  if (!row.is_object()) fail("{}: expected a JSON object with the columns of one row", where);
  const auto it = row.find(column);
  if (it == row.end()) {
    std::vector<std::string> columns;
    for (const auto& [name, value] : row.items()) columns.push_back(name);
    fail("{}: no column \"{}\"; there are: {}. Name the one with the text by \"text_column\"", where, column,
         fmt::join(columns, ", "));
  }
  if (it->is_null()) return {};
  if (!it->is_string()) fail("{}: column \"{}\" holds {}, not a text", where, column, it->type_name());
  return it->get<std::string>();
}

bool is_json_list(const std::string& text) {
  return text::strip(text, text::Side::left).starts_with('[');
}

}  // namespace

std::vector<std::string> text_rows(const std::string& text) {
  std::vector<std::string> rows;
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = text.find('\n', begin);
    const size_t end = newline == std::string::npos ? text.size() : newline + 1;
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    rows.emplace_back(text::strip(line).empty() ? std::string_view() : line);
    begin = end;
  }
  return rows;
}

std::vector<std::string> json_rows(const std::filesystem::path& file, const std::string& column, int64_t max_rows) {
  const std::string text = read_file(file);
  std::vector<std::string> rows;
  const auto full = [&] { return max_rows > 0 && static_cast<int64_t>(rows.size()) >= max_rows; };
  if (is_json_list(text)) {
    const Json list = parse_json(text, file.string());
    for (size_t i = 0; i < list.size() && !full(); ++i) {
      rows.push_back(column_of(list[i], column, fmt::format("{}: row {}", file.string(), i)));
    }
    return rows;
  }
  int64_t line_number = 1;
  for (size_t begin = 0; begin < text.size() && !full(); ++line_number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (text::strip(line).empty()) continue;
    const std::string where = fmt::format("{}: line {}", file.string(), line_number);
    rows.push_back(column_of(parse_json(line, where), column, where));
  }
  return rows;
}

}  // namespace assay

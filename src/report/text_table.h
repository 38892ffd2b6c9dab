#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// Columns that a UTF-8 text takes on a terminal: wide characters count two, combining ones none.
int display_width(std::string_view text);
/// The text cut to `width` columns, with an ellipsis where something is missing.
std::string shorten(std::string_view text, int width);

/// The text with spaces for what could move a terminal's cursor, line ends excepted.
std::string without_controls(std::string text);

/// "| a | b |" and a newline; what would break a Markdown table is escaped.
std::string markdown_row(const std::vector<std::string>& cells);

/// Rows of text in aligned columns.
class TextTable {
 public:
  struct Column {
    std::string title;  ///< may have several lines
    bool right = false;
    int least = 0;  ///< may be shortened down to this width to make the table fit; 0 = never
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells);

  /// Of the widest line, when nothing is shortened.
  int natural_width() const;
  /// Ends with a newline. Wider than `width` only where no column may become narrower.
  std::string render(int width) const;

 private:
  std::vector<int> natural_widths() const;
  std::vector<int> fitted(int width) const;
  std::string line(const std::vector<std::string>& cells, const std::vector<int>& widths) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace assay

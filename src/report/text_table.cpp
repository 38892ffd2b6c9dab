#include "report/text_table.h"

#include <utf8proc.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace assay {

namespace {

constexpr std::string_view kGap = "  ";

struct Character {
  int bytes = 1;
  int width = 1;
};

/// The character at the start of `text`; a byte that is not UTF-8 counts as one column.
Character first_character(std::string_view text) {
  utf8proc_int32_t code = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                      static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (bytes <= 0) return {};
  return {static_cast<int>(bytes), utf8proc_charwidth(code)};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    lines.push_back(text.substr(begin, end - begin));
  lines.push_back(text.substr(begin));
  return lines;
}

}  // namespace

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Character c = first_character(text);
    width += c.width;
    text.remove_prefix(c.bytes);
  }
  return width;
}

std::string shorten(std::string_view text, int width) {
  if (display_width(text) <= width) return std::string(text);
  size_t kept = 0;
  int used = 1;  // the ellipsis
  while (kept < text.size()) {
    const Character c = first_character(text.substr(kept));
    if (used + c.width > width) break;
    used += c.width;
    kept += c.bytes;
  }
  return std::string(text.substr(0, kept)) + "…";
}

std::string without_controls(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return (c < ' ' && c != '\n') || c == 0x7f; }, ' ');
  return text;
}

std::string markdown_row(const std::vector<std::string>& cells) {
  std::string out = "|";
  for (const std::string& cell : cells) {
    out += ' ';
    for (const char c : cell) out += c == '|' ? "\\|" : c == '\n' ? " " : std::string(1, c);
    out += " |";
  }
  return out + "\n";
}

void TextTable::add(std::vector<std::string> cells) {
  ASSAY_CHECK(cells.size() == columns_.size());
  // Labels and paths come from strangers: nothing in them may move the cursor.
  for (std::string& cell : cells) {
    cell = without_controls(std::move(cell));
    std::replace(cell.begin(), cell.end(), '\n', ' ');
  }
  rows_.push_back(std::move(cells));
}

std::vector<int> TextTable::natural_widths() const {
  std::vector<int> widths(columns_.size());
  for (size_t c = 0; c < columns_.size(); ++c) {
    for (const std::string& title : lines_of(columns_[c].title)) widths[c] = std::max(widths[c], display_width(title));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], display_width(row[c]));
  }
  return widths;
}

int TextTable::natural_width() const {
  const std::vector<int> widths = natural_widths();
  const int gaps = static_cast<int>(kGap.size() * (columns_.size() - 1));
  return std::accumulate(widths.begin(), widths.end(), gaps);
}

std::vector<int> TextTable::fitted(int width) const {
  std::vector<int> widths = natural_widths();
  int excess = natural_width() - width;
  // One column after the other gives way, the one that can spare most first.
  while (excess > 0) {
    size_t widest = columns_.size();
    const auto spare = [&](size_t c) { return columns_[c].least > 0 ? widths[c] - columns_[c].least : 0; };
    for (size_t c = 0; c < columns_.size(); ++c)
      if (spare(c) > 0 && (widest == columns_.size() || spare(c) > spare(widest))) widest = c;
    if (widest == columns_.size()) break;
    --widths[widest];
    --excess;
  }
  return widths;
}

std::string TextTable::line(const std::vector<std::string>& cells, const std::vector<int>& widths) const {
  std::string out;
  for (size_t c = 0; c < cells.size(); ++c) {
    if (c > 0) out += kGap;
    const std::string text = shorten(cells[c], widths[c]);
    const std::string padding(widths[c] - display_width(text), ' ');
    out += columns_[c].right ? padding + text : text + padding;
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

std::string TextTable::render(int width) const {
  const std::vector<int> widths = fitted(width);
  std::vector<std::vector<std::string>> titles;
  size_t height = 0;
  for (const Column& column : columns_) {
    titles.push_back(lines_of(column.title));
    height = std::max(height, titles.back().size());
  }

  std::string out;
  for (size_t i = 0; i < height; ++i) {
    std::vector<std::string> cells;
    for (const auto& lines : titles) {
      const size_t blank = height - lines.size();
      cells.push_back(i < blank ? "" : lines[i - blank]);
    }
    out += line(cells, widths);
  }
  std::vector<std::string> rules;
  for (const int w : widths) {
    rules.emplace_back();
    for (int i = 0; i < w; ++i) rules.back() += "─";
  }
  out += line(rules, widths);
  for (const auto& row : rows_) out += line(row, widths);
  return out;
}

}  // namespace assay

#include <fmt/core.h>

#include <cmath>

#include "report/chart/families.h"
#include "report/chart/measures.h"
#include "report/html/html.h"
#include "report/html/parts.h"

namespace assay {

namespace {

/// Colours beyond the families of the scatter charts are those of the outlines of the combined histogram.
constexpr int kLeastSeries = 20;

int series_of(const Result& result) {
  int most = kLeastSeries;
  for (const auto& [family, color] : family_colors(result)) most = std::max(most, color + 1);
  return most;
}

std::string style_of(const Result& result) {
  const int series = series_of(result);
  const std::string light = page_colors(false, series), dark = page_colors(true, series);
  return fmt::format(
      ":root{{color-scheme:light;{}}}\n@media(prefers-color-scheme:dark){{:root{{color-scheme:dark;{}}}}}\n"
      ":root[data-theme=light]{{color-scheme:light;{}}}\n:root[data-theme=dark]{{color-scheme:dark;{}}}\n{}",
      light, dark, light, dark, kPageStyle);
}

}  // namespace

std::string section(const std::string& id, const std::string& title, const std::string& lead, const std::string& body) {
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}{}</section>\n", id, title,
                     lead.empty() ? "" : "<p class=\"lead\">" + lead + "</p>\n", body);
}

std::string number_cell(double value, const std::string& text) {
  if (std::isnan(value)) return "<td class=\"n\">-</td>";
  return fmt::format("<td class=\"n\" data-v=\"{}\" title=\"{}\">{}</td>", value, value, html_escaped(text));
}

std::string results_html(const Result& result) {
  const std::string subtitle = html_escaped(subtitle_of(result));
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src "
      "'unsafe-inline'\">\n<title>assay: {}</title>\n<style>\n{}</style>\n</head>\n<body>\n"
      "<header><div><h1>What quantization cost</h1><p>{}{}</p></div>"
      "<button id=\"theme\" type=\"button\" aria-label=\"light or dark\">◐</button></header>\n<main>\n",
      subtitle, style_of(result), subtitle,
      result.complete ? "" : " · <strong>not complete: models are still missing</strong>");
  page += results_section(result) + charts_section(result) + pairs_section(result) + divergence_section(result) +
          text_section(result) + bits_section(result) + protocol_section(result);
  return page + fmt::format("</main>\n<footer>assay {}</footer>\n<script>\n{}</script>\n</body>\n</html>\n",
                            html_escaped(result.version), kPageScript);
}

}  // namespace assay

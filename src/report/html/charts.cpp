#include "report/chart/charts.h"

#include <functional>

#include "report/html/parts.h"

namespace assay {

namespace {

constexpr double kWide = 1200, kNarrow = 400;

using Chart = std::optional<Drawing> (*)(const Result&, const ChartOptions&);

/// Once for screens and once for telephones.
std::string figure(const Result& result, Chart chart, ChartOptions options, const std::string& description) {
  options.width = kWide;
  const std::optional<Drawing> wide = chart(result, options);
  if (!wide) return "";
  options.width = kNarrow;
  const std::optional<Drawing> narrow = chart(result, options);
  return "<figure class=\"chart\"><div class=\"wide\">" + inline_svg(*wide, description) +
         "</div><div class=\"narrow\">" + inline_svg(*narrow, description) + "</div></figure>\n";
}

}  // namespace

std::string charts_section(const Result& result) {
  const auto options = [](ChartX x, ChartY y) {
    ChartOptions out;
    out.x = x;
    out.y = y;
    out.log_y = y == ChartY::kld;
    return out;
  };
  const std::string shown =
      figure(result, scatter_chart, options(ChartX::bpw, ChartY::kld), "KL divergence against bits per weight") +
      figure(result, scatter_chart, options(ChartX::bpw, ChartY::ppl), "Perplexity against bits per weight") +
      figure(result, spread_chart, options(ChartX::bpw, ChartY::kld), "Percentiles of the KL divergence") +
      figure(result, combined_histogram_chart, {}, "Distribution of the KL divergence of tokens");
  const std::string more =
      figure(result, scatter_chart, options(ChartX::vram, ChartY::kld), "KL divergence against size") +
      figure(result, scatter_chart, options(ChartX::vram, ChartY::ppl), "Perplexity against size") +
      figure(result, histogram_chart, {}, "Distribution of the KL divergence of tokens, each model");
  if (shown.empty()) return "";
  return section("charts", "Charts", "Points and lines show exact numbers when pointed at.",
                 shown + "<details><summary>More charts: size in GiB, distributions of single models</summary>\n" +
                     more + "</details>\n");
}

}  // namespace assay

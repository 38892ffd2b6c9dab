#include "cli/outputs.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "cli/atomic_file.h"
#include "report/chart/render.h"
#include "report/html/html.h"
#include "report/json.h"
#include "report/table.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

std::string report_text(const fs::path& path, const Result& result) {
  if (path.extension() == ".csv") return results_csv(result);
  if (path.extension() == ".md") return results_markdown(result);
  if (path.extension() == ".html") return results_html(result);
  return results_json(result);
}

ImageType image_type(const fs::path& file) {
  if (file.extension() == ".svg") return ImageType::svg;
  if (file.extension() == ".png") return ImageType::png;
  if (file.extension() == ".pdf") return ImageType::pdf;
  fail("{}: a chart's file name ends in .svg, .png or .pdf", file.string());
}

std::optional<Drawing> chart_of(const ChartFile& chart, const Result& result) {
  switch (chart.kind) {
    case ChartKind::scatter:
      return scatter_chart(result, chart.options);
    case ChartKind::spread:
      return spread_chart(result, chart.options);
    case ChartKind::histogram:
      return histogram_chart(result, chart.options);
    case ChartKind::combined_histogram:
      return combined_histogram_chart(result, chart.options);
  }
  check_failed(__FILE__, __LINE__, "known kind of chart");
}

}  // namespace

void check_charts(const OutputOptions& options) {
  for (const ChartFile& chart : options.charts) {
    image_type(chart.file);
    const fs::path folder = chart.file.has_parent_path() ? chart.file.parent_path() : fs::path(".");
    if (::access(folder.c_str(), W_OK) != 0) fail("{}: cannot write: {}", chart.file.string(), std::strerror(errno));
  }
}

void write_chart(const ChartFile& chart, const std::optional<Drawing>& drawing, Console& console) {
  if (!drawing) {
    console.note(fmt::format("{}: not written, as nothing is left to draw", chart.file.string()));
    return;
  }
  write_atomically(chart.file, render(*drawing, image_type(chart.file), chart.dark));
  console.say("Chart: {}", chart.file.string());
}

void Outputs::save(const Result& result) const {
  if (!options_.output.empty()) write_atomically(options_.output, report_text(options_.output, result));
  if (!options_.html.empty()) write_atomically(options_.html, results_html(result));
}

void Outputs::draw(const Result& result) const {
  for (const ChartFile& chart : options_.charts) write_chart(chart, chart_of(chart, result), console_);
}

void Outputs::print(const Result& result, bool compare_q) const {
  if (options_.format == "json") return console_.result(results_json(result));
  if (options_.format == "csv") return console_.result(results_csv(result));
  if (options_.format == "markdown") return console_.result(results_markdown(result));
  std::string text = "\n" + results_table(result, console_.width());
  if (compare_q) text += "\n------\n" + compare_q_json(result);
  console_.result(text);
}

}  // namespace assay

#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "cli/console.h"
#include "report/chart/charts.h"
#include "report/result.h"

namespace assay {

enum class ChartKind : uint8_t { scatter, spread, histogram, combined_histogram };

/// A chart that was asked for, and the file it goes to: .svg, .png or .pdf.
struct ChartFile {
  ChartKind kind = ChartKind::scatter;
  std::filesystem::path file;
  ChartOptions options;
  bool dark = false;
};

/// Where a report goes.
struct OutputOptions {
  std::filesystem::path output;  ///< .csv, .md and .html get that format, any other name JSON; empty = none
  std::filesystem::path html;
  std::string format = "table";  ///< of stdout: table, json, csv, markdown
  std::vector<ChartFile> charts;

  /// stdout carries the report and nothing else.
  bool machine_readable() const { return format != "table"; }
};

/// Writes a report to all its places.
class Outputs {
 public:
  Outputs(OutputOptions options, Console& console) : options_(std::move(options)), console_(console) {}

  /// The report files. Error when one cannot be written.
  void save(const Result& result) const;
  /// The charts; says so where nothing is left to draw. Error when one cannot be written.
  void draw(const Result& result) const;
  /// stdout. `compare_q`: with the array that compare_q prints.
  void print(const Result& result, bool compare_q) const;

 private:
  OutputOptions options_;
  Console& console_;
};

/// Error when a chart's file could not be written later; no file is touched.
void check_charts(const OutputOptions& options);
/// Says so where there is nothing to draw.
void write_chart(const ChartFile& chart, const std::optional<Drawing>& drawing, Console& console);

}  // namespace assay

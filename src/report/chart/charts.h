#pragma once
#include <optional>
#include <string>
#include <vector>

#include "report/chart/drawing.h"
#include "report/result.h"
#include "stats/layer_errors.h"

namespace assay {

enum class ChartX : uint8_t { bpw, vram };
enum class ChartY : uint8_t { ppl, kld };

struct ChartOptions {
  ChartX x = ChartX::bpw;
  ChartY y = ChartY::ppl;
  bool log_x = true;                      ///< of histograms
  bool log_y = false;                     ///< of scatter charts and histograms
  double max_x = 999999, max_y = 999999;  ///< points beyond are left out
  std::string title;                      ///< empty: says what the chart shows
  double width = 1200;                    ///< pixels; the height follows
  std::vector<std::string> labels;        ///< of histograms: models that take part; empty = all
  std::optional<std::string> caption;     ///< instead of the explanations below the chart
  std::string reference;                  ///< words about the reference for the caption
};

// Nothing where there is nothing left to draw.

/// Size against quality: a point for each model with its name and value, a line for each family, error bars, and the
/// reference (or the noise floor) as a line.
std::optional<Drawing> scatter_chart(const Result& result, const ChartOptions& options);
/// Percentiles of the KLD against size: median, band of the middle half, mean.
std::optional<Drawing> spread_chart(const Result& result, const ChartOptions& options);
/// How the KLD of single tokens is distributed: one panel for each model.
std::optional<Drawing> histogram_chart(const Result& result, const ChartOptions& options);
/// The outlines of all models in one panel.
std::optional<Drawing> combined_histogram_chart(const Result& result, const ChartOptions& options);
/// Error of each layer's hidden state, and of the weights of each of its linears.
std::optional<Drawing> layer_chart(const LayerErrors& errors, const ChartOptions& options);

}  // namespace assay

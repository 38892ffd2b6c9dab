#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "report/chart/charts.h"
#include "report/chart/frame.h"

namespace assay {

namespace {

/// The errors of one kind of linear in each layer; NaN where a layer has none.
struct Row {
  std::string name;
  std::vector<double> values;
};

/// "mlp.experts.17.up_proj" is one of many "mlp.experts.*.up_proj".
std::string kind_of(const std::string& name) {
  std::string out, part;
  const auto flush = [&] {
    const bool number = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    out += number ? "*" : part;
    part.clear();
  };
  for (const char c : name) {
    if (c != '.') {
      part += c;
      continue;
    }
    flush();
    out += '.';
  }
  flush();
  return out;
}

/// In the order in which the layers name them; of several linears of a kind the mean.
std::vector<Row> rows_of(const LayerErrors& errors, double LayerErrors::Linear::*value) {
  std::vector<Row> rows;
  std::vector<std::vector<int>> counts;
  for (size_t layer = 0; layer < errors.layers.size(); ++layer)
    for (const LayerErrors::Linear& linear : errors.layers[layer].linears) {
      if (!std::isfinite(linear.*value)) continue;
      const std::string kind = kind_of(linear.name);
      auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.name == kind; });
      if (row == rows.end()) {
        row = rows.insert(rows.end(), {kind, std::vector<double>(errors.layers.size(), NAN)});
        counts.emplace_back(errors.layers.size());
      }
      int& n = counts[row - rows.begin()][layer];
      double& mean = row->values[layer];
      mean = n == 0 ? linear.*value : mean + (linear.*value - mean) / (n + 1);
      ++n;
    }
  return rows;
}

double largest(const std::vector<double>& values) {
  double out = 0;
  for (const double v : values)
    if (std::isfinite(v)) out = std::max(out, v);
  return out;
}

class LayerChart {
 public:
  LayerChart(const LayerErrors& errors, const ChartOptions& options)
      : options_(options),
        errors_(errors),
        frame_(options.width, options.title.empty() ? "Error of each layer" : options.title,
               errors.model + " against " + errors.reference,
               {{"hidden state: this layer alone", series_color(0)},
                {"all layers up to this", series_color(1)},
                {"weights", series_color(2)},
                {"hidden state: one linear alone", series_color(4)}}),
        layers_(static_cast<double>(errors.layers.size())) {}

  bool draw() {
    std::vector<double> own, cumulative;
    for (const LayerErrors::Layer& layer : errors_.layers) {
      own.push_back(layer.own);
      cumulative.push_back(layer.cumulative);
    }
    bool any = hidden_panel(own, cumulative);
    for (const auto& [value, what, color] :
         {std::tuple{&LayerErrors::Linear::weight, ", weights", 2}, {&LayerErrors::Linear::output, ", alone", 4}})
      for (const Row& row : rows_of(errors_, value)) {
        bar_panel(row.name + what, row.values, color);
        any = true;
      }
    layer_numbers();
    frame_.caption(options_,
                   "Errors relative to the reference. Alone: that part comes from the model, everything else from the "
                   "reference. Each panel has its own scale.");
    return any;
  }

  Drawing finished() && { return std::move(frame_).finished(); }

 private:
  double left_of(const Box& panel, double layer) const { return panel.left + panel.width() * layer / layers_; }

  static std::string percent(double value) { return fmt::format("{:.3g}%", value * 100); }

  void bars(const Box& panel, const Axis& y, const std::vector<double>& values, int color, const std::string& what) {
    const double width = panel.width() / layers_, inset = std::min(width * 0.12, 3.0);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) continue;
      const double left = left_of(panel, static_cast<double>(i));
      frame_.drawing()
          .box({left + inset, y.at(values[i]), left + width - inset, panel.bottom}, series_color(color))
          .tooltip = fmt::format("layer {}, {}: {}", i, what, percent(values[i]));
    }
  }

  void scale_text(const Box& panel, double top) {
    frame_.drawing().text({panel.left - 6, panel.top + frame_.scale().small.size}, percent(top), {Ink::tick},
                          {frame_.scale().small.size - 1, false, Anchor::end});
  }

  bool hidden_panel(const std::vector<double>& own, const std::vector<double>& cumulative) {
    const double top = std::max(largest(own), largest(cumulative));
    if (top <= 0) return false;
    const Box panel = begin_panel("hidden state", frame_.scale().narrow ? 130 : 200);
    const Axis y(0, top, panel.bottom, panel.top + 4, false, 0);
    scale_text(panel, top);
    bars(panel, y, own, 0, "this layer alone");
    std::vector<Point> path;
    for (size_t i = 0; i < cumulative.size(); ++i)
      if (std::isfinite(cumulative[i]))
        path.push_back({left_of(panel, static_cast<double>(i) + 0.5), y.at(cumulative[i])});
    if (path.size() > 1) frame_.drawing().line(path, series_color(1), 2);
    for (size_t i = 0; i < path.size(); ++i) {
      const auto layer = static_cast<size_t>((path[i].x - panel.left) / panel.width() * layers_);
      frame_.drawing().circle(path[i], 3, series_color(1)).tooltip =
          fmt::format("layer {}, all up to this: {}", layer, percent(cumulative[layer]));
    }
    return true;
  }

  void bar_panel(const std::string& name, const std::vector<double>& values, int color) {
    const double top = largest(values);
    const Box panel = begin_panel(name, frame_.scale().narrow ? 38 : 52);
    if (top <= 0) return;  // exact everywhere: an empty panel says so
    scale_text(panel, top);
    bars(panel, {0, top, panel.bottom, panel.top + 2, false, 0}, values, color, name);
  }

  Box begin_panel(const std::string& name, double height) {
    const ChartScale& scale = frame_.scale();
    frame_.skip(scale.small.size + 9);
    frame_.drawing().text({scale.left(), frame_.y() - 4}, elided(name, scale.width - 110, scale.small), {Ink::label},
                          scale.small);
    last_ = frame_.panel(height);
    return last_;
  }

  void layer_numbers() {
    const ChartScale& scale = frame_.scale();
    const double widest = text_width(std::to_string(errors_.layers.size()), scale.small) + 8;
    const int every = std::max(1, static_cast<int>(std::ceil(widest / (last_.width() / layers_))));
    for (size_t i = 0; i < errors_.layers.size(); i += every)
      frame_.drawing().text({left_of(last_, static_cast<double>(i) + 0.5), last_.bottom + scale.line()},
                            std::to_string(i), {Ink::tick}, {scale.small.size, false, Anchor::middle});
    frame_.skip(scale.line() * 1.2);
    frame_.axis_names(last_, "layer", "");
  }

  const ChartOptions& options_;
  const LayerErrors& errors_;
  Frame frame_;
  double layers_;
  Box last_;
};

}  // namespace

std::optional<Drawing> layer_chart(const LayerErrors& errors, const ChartOptions& options) {
  if (errors.layers.empty()) return std::nullopt;
  LayerChart chart(errors, options);
  if (!chart.draw()) return std::nullopt;
  return std::move(chart).finished();
}

}  // namespace assay

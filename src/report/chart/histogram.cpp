#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "report/chart/charts.h"
#include "report/chart/families.h"
#include "report/chart/frame.h"
#include "report/chart/measures.h"

namespace assay {

namespace {

constexpr size_t kMostPanels = 60;
constexpr size_t kMostOutlines = 24;

/// One model's distribution: share of tokens in each bin of LogHistogram.
struct Distribution {
  const ModelResult* model;
  std::string name;
  int color;
  std::vector<double> share;  ///< smoothed
  int64_t below = 0;          ///< tokens with no KLD to speak of
};

/// Weights 1 4 6 4 1: hides that neighbouring bins differ by chance.
std::vector<double> smoothed(const std::vector<int64_t>& counts, int64_t total) {
  constexpr int kWeights[] = {1, 4, 6, 4, 1};
  const int n = static_cast<int>(counts.size());
  std::vector<double> out(counts.size());
  for (int i = 0; i < n; ++i)
    for (int k = -2; k <= 2; ++k)
      if (i + k >= 0 && i + k < n)
        out[i] += kWeights[k + 2] / 16.0 * static_cast<double>(counts[i + k]) / static_cast<double>(total);
  return out;
}

std::vector<Distribution> distributions(const Result& result) {
  const auto colors = family_colors(result);
  std::vector<Distribution> out;
  for (const ModelResult& model : result.models) {
    if (!model.ok() || !model.has_comparison() || model.role == ModelRole::noise_floor) continue;
    const LogHistogram& h = model.measured->comparison->divergence.histogram;
    if (std::accumulate(h.counts.begin(), h.counts.end(), int64_t{0}) == 0) continue;
    const ChartName name = chart_name(model);
    out.push_back({&model, name.full(), colors.at(name.family), smoothed(h.counts, h.total()), h.below});
  }
  return out;
}

/// The bins that hold something, of any model; one more on both sides.
std::pair<int, int> used_bins(const std::vector<Distribution>& all) {
  int first = LogHistogram::kBins, last = 0;
  for (const Distribution& d : all)
    for (int i = 0; i < LogHistogram::kBins; ++i) {
      if (d.share[i] < 2e-4) continue;
      first = std::min(first, i);
      last = std::max(last, i);
    }
  if (first > last) return {0, LogHistogram::kBins};
  return {std::max(0, first - 2), std::min(LogHistogram::kBins, last + 3)};
}

double peak(const Distribution& d) {
  return *std::max_element(d.share.begin(), d.share.end());
}

Axis x_axis(const std::pair<int, int>& bins, const Box& panel) {
  return {std::pow(10.0, LogHistogram::edge(bins.first)),
          std::pow(10.0, LogHistogram::edge(bins.second)),
          panel.left,
          panel.right,
          true,
          0};
}

std::vector<Point> outline(const Distribution& d, const std::pair<int, int>& bins, const Axis& x, const Axis& y) {
  std::vector<Point> points;
  for (int i = bins.first; i < bins.second; ++i)
    points.push_back({x.at(std::pow(10.0, LogHistogram::edge(i + 0.5))), y.at(d.share[i])});
  return points;
}

void fill_under(Drawing& drawing, std::vector<Point> points, double bottom, Color color) {
  const double left = points.front().x, right = points.back().x;
  points.insert(points.begin(), {left, bottom});
  points.push_back({right, bottom});
  drawing.area(std::move(points), color);
}

/// A dotted line through the panel at the noise floor's mean.
void draw_floor(Frame& frame, const Result& result, const Box& panel, const Axis& x) {
  for (const ModelResult& model : result.models) {
    if (model.role != ModelRole::noise_floor || !model.ok() || !(chart_kld(model) > 0)) continue;
    const double at = x.at(chart_kld(model));
    if (at < panel.left || at > panel.right) continue;
    Shape& line = frame.drawing().line({{at, panel.top}, {at, panel.bottom}}, {Ink::tick}, 1.4, {1, 4});
    line.tooltip = "noise floor, mean " + kld_text(chart_kld(model));
  }
}

bool has_floor(const Result& result) {
  return std::any_of(result.models.begin(), result.models.end(), [](const ModelResult& m) {
    return m.role == ModelRole::noise_floor && m.ok() && m.has_comparison();
  });
}

std::string title_of(const ChartOptions& options) {
  return options.title.empty() ? "KL divergence of single tokens" : options.title;
}

constexpr const char* kXName = "KL divergence of a token, nats (log scale)";

void draw_small_panel(Frame& frame, const Result& result, const Distribution& d, const std::pair<int, int>& bins,
                      const Box& panel) {
  const ChartScale& scale = frame.scale();
  Drawing& drawing = frame.drawing();
  const Axis x = x_axis(bins, panel), y(0, peak(d), panel.bottom, panel.top + 4, false, 0);
  drawing.box(panel, {Ink::axes}, 4);
  for (const Axis::Tick& tick : x.ticks(70))
    drawing.line({{x.at(tick.value), panel.top}, {x.at(tick.value), panel.bottom}}, {Ink::grid}, 1);
  const std::vector<Point> line = outline(d, bins, x, y);
  fill_under(drawing, line, panel.bottom, series_color(d.color).faded(0.3));
  drawing.line(line, series_color(d.color), 1.8).tooltip = summary_of(*d.model);
  const Divergence& kld = d.model->measured->comparison->divergence;
  const auto mark = [&](double value, std::vector<double> dashes, const std::string& what) {
    if (!(value > x.low() && value < x.high())) return;
    drawing.line({{x.at(value), panel.top}, {x.at(value), panel.bottom}}, {Ink::label}, 1.2, std::move(dashes))
        .tooltip = what + " " + kld_text(value);
  };
  mark(kld.quantile("median").value, {1, 3}, "median");
  mark(kld.kld.mean, {}, "mean");
  draw_floor(frame, result, panel, x);
  drawing.text({panel.left + 2, panel.top - 5}, elided(d.name, panel.width() - 4, scale.name),
               series_text_color(d.color), scale.name);
  double free_from = panel.left - 8;
  for (const Axis::Tick& tick : x.ticks(60)) {
    const double half = text_width(tick.text, scale.small) / 2, at = x.at(tick.value);
    if (at - half < free_from || at + half > panel.right + 8) continue;
    drawing.text({at, panel.bottom + scale.line()}, tick.text, {Ink::tick}, {scale.small.size, false, Anchor::middle});
    free_from = at + half + 6;
  }
}

}  // namespace

std::optional<Drawing> histogram_chart(const Result& result, const ChartOptions& options) {
  std::vector<Distribution> all = distributions(result);
  if (all.empty()) return std::nullopt;
  const size_t left_out = all.size() > kMostPanels ? all.size() - kMostPanels : 0;
  all.resize(all.size() - left_out);
  const std::pair<int, int> bins = used_bins(all);

  Frame frame(options.width, title_of(options), subtitle_of(result), {});
  const ChartScale& scale = frame.scale();
  const int most = scale.narrow ? 1 : all.size() > 8 ? 4 : all.size() > 3 ? 3 : static_cast<int>(all.size());
  const int columns = std::min<int>(most, static_cast<int>(all.size()));
  const double gap = 22, room = options.width - 2 * scale.margin() - gap * (columns - 1);
  const double width = room / columns, height = std::clamp(width * 0.45, 110.0, 320.0);
  const double step = scale.name.size + 10 + height + scale.line() * 1.6;
  const double top = frame.y();
  for (size_t i = 0; i < all.size(); ++i) {
    const double left = scale.margin() + (width + gap) * (static_cast<int>(i) % columns);
    const double y = top + step * (static_cast<int>(i) / columns) + scale.name.size + 10;
    draw_small_panel(frame, result, all[i], bins, {left, y, left + width, y + height});
  }
  frame.skip(step * ((static_cast<int>(all.size()) + columns - 1) / columns));
  frame.note(std::string(kXName) + "; height: share of tokens. Line: mean; dotted: median" +
             (has_floor(result) ? "; grey: mean of the noise floor." : "."));
  if (left_out > 0) frame.note(fmt::format("{} more models have no panel here.", left_out));
  return std::move(frame).finished();
}

std::optional<Drawing> combined_histogram_chart(const Result& result, const ChartOptions& options) {
  std::vector<Distribution> all = distributions(result);
  if (all.empty()) return std::nullopt;
  const size_t left_out = all.size() > kMostOutlines ? all.size() - kMostOutlines : 0;
  all.resize(all.size() - left_out);
  const std::pair<int, int> bins = used_bins(all);
  // Here each model needs a colour of its own.
  std::vector<LegendEntry> legend;
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].color = static_cast<int>(i);
    legend.push_back({all[i].name, series_color(all[i].color)});
  }
  Frame frame(options.width, title_of(options), subtitle_of(result), legend);
  const Box panel = frame.panel(std::clamp(options.width * 0.45, 240.0, 520.0));
  double highest = 0;
  for (const Distribution& d : all) highest = std::max(highest, peak(d));
  const Axis x = x_axis(bins, panel), y(0, highest * 108, panel.bottom, panel.top, false, 0);
  frame.grid_x(panel, x);
  frame.grid_y(panel, y);
  frame.axis_names(panel, kXName, "% of tokens, per bin");
  for (Distribution& d : all) {
    for (double& share : d.share) share *= 100;
    const std::vector<Point> line = outline(d, bins, x, y);
    if (all.size() <= 6) fill_under(frame.drawing(), line, panel.bottom, series_color(d.color).faded(0.14));
    frame.drawing().line(line, series_color(d.color), 2).tooltip = summary_of(*d.model);
  }
  draw_floor(frame, result, panel, x);
  if (has_floor(result)) frame.note("Dotted: mean of the noise floor.");
  if (left_out > 0) frame.note(fmt::format("{} more models are left out here.", left_out));
  return std::move(frame).finished();
}

}  // namespace assay

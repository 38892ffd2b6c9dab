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
constexpr int kLinearBins = 100;
constexpr size_t kMostOutlines = 14;

/// Edges of the bins that a chart shows, ascending.
using Edges = std::vector<double>;

/// One model's distribution: share of tokens in each bin of LogHistogram.
struct Distribution {
  const ModelResult* model;
  std::string name;
  int color;
  std::vector<double> share;

  const Divergence& divergence() const { return model->measured->comparison->divergence; }
};

bool takes_part(const ModelResult& model, const ChartOptions& options) {
  const auto& labels = options.labels;
  return labels.empty() || std::find(labels.begin(), labels.end(), model.label) != labels.end();
}

std::vector<Distribution> distributions(const Result& result, const ChartOptions& options) {
  const auto colors = family_colors(result);
  std::vector<Distribution> out;
  for (const ModelResult& model : result.models) {
    if (!model.ok() || !model.has_comparison() || model.role == ModelRole::noise_floor) continue;
    const LogHistogram& h = model.measured->comparison->divergence.histogram;
    if (std::accumulate(h.counts.begin(), h.counts.end(), int64_t{0}) == 0 || !takes_part(model, options)) continue;
    const ChartName name = chart_name(model);
    out.push_back({&model, name.full(), colors.at(name.family), {}});
  }
  return out;
}

/// Weights 1 4 6 4 1: hides that neighbouring bins differ by chance.
std::vector<double> smoothed(const LogHistogram& h) {
  constexpr int kWeights[] = {1, 4, 6, 4, 1};
  const int n = LogHistogram::kBins;
  const auto total = static_cast<double>(h.total());
  std::vector<double> out(n);
  for (int i = 0; i < n; ++i)
    for (int k = std::max(-2, -i); k <= std::min(2, n - 1 - i); ++k)
      out[i] += kWeights[k + 2] / 16.0 * static_cast<double>(h.counts[i + k]) / total;
  return out;
}

/// The tokens of logarithmic bins spread evenly over the equal bins that they meet; those too small for any are in the
/// first.
std::vector<double> rebinned(const LogHistogram& h, const Edges& edges) {
  const auto total = static_cast<double>(h.total());
  const double width = edges[1] - edges[0];
  std::vector<double> out(edges.size() - 1);
  out[0] = static_cast<double>(h.below) / total;
  for (int i = 0; i < LogHistogram::kBins; ++i) {
    const double low = std::pow(10.0, LogHistogram::edge(i)), high = std::pow(10.0, LogHistogram::edge(i + 1));
    for (auto bin = static_cast<size_t>(low / width); bin < out.size() && edges[bin] < high; ++bin)
      out[bin] += static_cast<double>(h.counts[i]) / total *
                  (std::min(high, edges[bin + 1]) - std::max(low, edges[bin])) / (high - low);
  }
  return out;
}

/// The logarithmic bins that hold something, of any model, and a few more on both sides.
Edges used_bins(const std::vector<Distribution>& all) {
  int first = LogHistogram::kBins, last = 0;
  for (const Distribution& d : all)
    for (int i = 0; i < LogHistogram::kBins; ++i) {
      if (static_cast<double>(d.divergence().histogram.counts[i]) <
          2e-4 * static_cast<double>(d.divergence().histogram.total()))
        continue;
      first = std::min(first, i - 2);
      last = std::max(last, i + 3);
    }
  Edges edges;
  for (int i = std::max(0, first); i <= std::min(last, LogHistogram::kBins); ++i)
    edges.push_back(std::pow(10.0, LogHistogram::edge(i)));
  return edges;
}

/// Chooses the bins and fills the shares.
Edges fill(std::vector<Distribution>& all, const ChartOptions& options) {
  if (options.log_x) {
    const Edges edges = used_bins(all);
    const auto first = static_cast<std::ptrdiff_t>(std::lround((std::log10(edges.front()) - LogHistogram::kLow) /
                                                               (LogHistogram::edge(1) - LogHistogram::edge(0))));
    for (Distribution& d : all) {
      const std::vector<double> share = smoothed(d.divergence().histogram);
      d.share.assign(share.begin() + first, share.begin() + first + static_cast<std::ptrdiff_t>(edges.size()) - 1);
    }
    return edges;
  }
  double top = 0;
  for (const Distribution& d : all) top = std::max(top, d.divergence().quantile("p99").value);
  Edges edges;
  for (int i = 0; i <= kLinearBins; ++i) edges.push_back((top > 0 ? top : 1) * i / kLinearBins);
  for (Distribution& d : all) d.share = rebinned(d.divergence().histogram, edges);
  return edges;
}

/// As many as can be told apart: the best, the worst, and those between them at even steps of rank.
std::vector<Distribution> spread_out(std::vector<Distribution> all) {
  std::stable_sort(all.begin(), all.end(), [](const Distribution& a, const Distribution& b) {
    return chart_kld(*a.model) < chart_kld(*b.model);
  });
  std::vector<Distribution> kept;
  for (size_t i = 0; i < kMostOutlines; ++i) kept.push_back(all[i * (all.size() - 1) / (kMostOutlines - 1)]);
  return kept;
}

double peak(const std::vector<Distribution>& all) {
  double out = 0;
  for (const Distribution& d : all) out = std::max(out, *std::max_element(d.share.begin(), d.share.end()));
  return out;
}

Axis x_axis(const Edges& edges, const Box& panel, const ChartOptions& options) {
  return {edges.front(), edges.back(), panel.left, panel.right, options.log_x, 0};
}

/// Of percents; on a logarithmic scale four decades.
Axis y_axis(double highest, const Box& panel, const ChartOptions& options) {
  return {options.log_y ? highest * 1e-2 : 0, highest * 108, panel.bottom, panel.top, options.log_y, 0};
}

std::vector<Point> outline(const Distribution& d, const Edges& edges, const Axis& x, const Axis& y) {
  std::vector<Point> points;
  for (size_t i = 0; i < d.share.size(); ++i) {
    const double middle = x.logarithmic() ? std::sqrt(edges[i] * edges[i + 1]) : (edges[i] + edges[i + 1]) / 2;
    points.push_back({x.at(middle), y.at(std::max(100 * d.share[i], y.logarithmic() ? y.low() : 0))});
  }
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
    if (model.role != ModelRole::noise_floor || !model.ok() || !(chart_kld(model) > x.low())) continue;
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

std::string x_name(const ChartOptions& options) {
  return options.log_x ? "KL divergence of a token, nats (log scale)" : "KL divergence of a token, nats (up to p99)";
}

void draw_small_panel(Frame& frame, const Result& result, const Distribution& d, const Edges& edges, const Box& panel,
                      const ChartOptions& options) {
  const ChartScale& scale = frame.scale();
  Drawing& drawing = frame.drawing();
  const Axis x = x_axis(edges, panel, options), y = y_axis(peak({d}), panel, options);
  drawing.box(panel, {Ink::axes}, 4);
  for (const Axis::Tick& tick : x.ticks(70))
    drawing.line({{x.at(tick.value), panel.top}, {x.at(tick.value), panel.bottom}}, {Ink::grid}, 1);
  const std::vector<Point> line = outline(d, edges, x, y);
  fill_under(drawing, line, panel.bottom, series_color(d.color).faded(0.3));
  drawing.line(line, series_color(d.color), 1.8).tooltip = summary_of(*d.model);
  const Divergence& kld = d.divergence();
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
  std::vector<Distribution> all = distributions(result, options);
  if (all.empty()) return std::nullopt;
  const size_t left_out = all.size() > kMostPanels ? all.size() - kMostPanels : 0;
  all.resize(all.size() - left_out);
  const Edges edges = fill(all, options);

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
    draw_small_panel(frame, result, all[i], edges, {left, y, left + width, y + height}, options);
  }
  frame.skip(step * ((static_cast<int>(all.size()) + columns - 1) / columns));
  frame.caption(options, x_name(options) + "; height: share of tokens. Line: mean; dotted: median" +
                             (has_floor(result) ? "; grey: mean of the noise floor." : "."));
  if (left_out > 0) frame.note(fmt::format("{} more models have no panel here.", left_out));
  return std::move(frame).finished();
}

std::optional<Drawing> combined_histogram_chart(const Result& result, const ChartOptions& options) {
  std::vector<Distribution> all = distributions(result, options);
  if (all.empty()) return std::nullopt;
  const size_t left_out = all.size() > kMostOutlines ? all.size() - kMostOutlines : 0;
  if (left_out > 0) all = spread_out(std::move(all));
  const Edges edges = fill(all, options);
  // Here each model needs a colour of its own.
  std::vector<LegendEntry> legend;
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].color = static_cast<int>(i);
    legend.push_back({all[i].name, series_color(all[i].color)});
  }
  Frame frame(options.width, title_of(options), subtitle_of(result), legend);
  const Box panel = frame.panel(std::clamp(options.width * 0.45, 240.0, 520.0));
  const Axis x = x_axis(edges, panel, options), y = y_axis(peak(all), panel, options);
  frame.grid_x(panel, x);
  frame.grid_y(panel, y);
  frame.axis_names(panel, x_name(options), "% of tokens, per bin");
  for (const Distribution& d : all) {
    const std::vector<Point> line = outline(d, edges, x, y);
    if (all.size() <= 6) fill_under(frame.drawing(), line, panel.bottom, series_color(d.color).faded(0.14));
    frame.drawing().line(line, series_color(d.color), 2).tooltip = summary_of(*d.model);
  }
  draw_floor(frame, result, panel, x);
  frame.caption(options, has_floor(result) ? "Dotted: mean of the noise floor." : "");
  if (left_out > 0)
    frame.note(fmt::format("{} of {} models are left out here, so that the others can be told apart.", left_out,
                           left_out + all.size()));
  return std::move(frame).finished();
}

}  // namespace assay

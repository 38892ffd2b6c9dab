#include <fmt/core.h>

#include <cmath>
#include <map>
#include <tuple>

#include "report/chart/charts.h"
#include "report/chart/families.h"
#include "report/chart/frame.h"
#include "report/chart/measures.h"
#include "report/chart/point_labels.h"

namespace assay {

namespace {

constexpr size_t kMostWhiskers = 16;

struct SpreadPoint {
  ChartName name;
  int color = 0;
  double x = 0, p25 = 0, median = 0, p75 = 0, p90 = 0, mean = 0;
  std::string tooltip;
};

std::vector<SpreadPoint> collect(const Result& result, const ChartOptions& options) {
  const auto colors = family_colors(result);
  std::vector<SpreadPoint> points;
  for (const ModelResult& model : result.models) {
    if (!model.ok() || !model.has_comparison() || model.role == ModelRole::noise_floor) continue;
    const Divergence& d = model.measured->comparison->divergence;
    const ChartName name = chart_name(model);
    const SpreadPoint p{.name = name,
                        .color = colors.at(name.family),
                        .x = options.x == ChartX::bpw ? chart_bpw(model) : chart_vram(model),
                        .p25 = d.quantile("p25").value,
                        .median = d.quantile("median").value,
                        .p75 = d.quantile("p75").value,
                        .p90 = d.quantile("p90").value,
                        .mean = d.kld.mean,
                        .tooltip = summary_of(model)};
    if (!std::isfinite(p.x) || p.x > options.max_x || !(p.mean > 0) || p.mean > options.max_y) continue;
    if (!(p.p25 > 0 && p.median >= p.p25 && p.p75 >= p.median && p.p90 >= p.p75 && std::isfinite(p.p90)))
      continue;  // a logarithmic axis has no zero
    points.push_back(p);
  }
  std::sort(points.begin(), points.end(), [](const SpreadPoint& a, const SpreadPoint& b) {
    return std::tie(a.x, a.median, a.name.name) < std::tie(b.x, b.median, b.name.name);
  });
  return points;
}

struct Floor {
  double median = NAN, mean = NAN;
};

Floor floor_of(const Result& result) {
  for (const ModelResult& model : result.models)
    if (model.role == ModelRole::noise_floor && model.ok() && model.has_comparison())
      return {model.measured->comparison->divergence.quantile("median").value, chart_kld(model)};
  return {};
}

class Spread {
 public:
  Spread(const Result& result, const ChartOptions& options, std::vector<SpreadPoint> points)
      : options_(options),
        points_(std::move(points)),
        floor_(floor_of(result)),
        frame_(options.width, options.title.empty() ? "Spread of the KL divergence" : options.title,
               subtitle_of(result), legend()),
        scale_(frame_.scale()),
        panel_(frame_.panel(std::clamp(options.width * 0.55, 280.0, 680.0), floor_.median > 0)),
        x_(points_.front().x, points_.back().x, panel_.left, panel_.right, false, scale_.narrow ? 0.14 : 0.09),
        y_(y_axis()) {
    frame_.grid_x(panel_, x_);
    frame_.grid_y(panel_, y_);
    frame_.axis_names(panel_,
                      options.x == ChartX::bpw
                          ? "Bits per weight (excl. embeddings and output head)"
                          : "Quantized weight size |Wq| / GiB (excl. embeddings, incl. output head)",
                      "KL divergence of a token, nats");
  }

  Drawing draw() && {
    draw_floor();
    LabelField field{panel_.grown(-4), {}, {}};
    std::map<std::string, std::vector<const SpreadPoint*>> families;
    for (const SpreadPoint& p : points_) families[p.name.family].push_back(&p);
    for (const auto& [family, members] : families) draw_family(members, field);
    draw_points(field);
    PointLabels names = labels();
    names.draw(field);
    names.draw_key();
    frame_.caption(
        options_,
        "Band: the middle half of all tokens (p25 to p75); line and points: median; dotted: mean; thin: up to p90." +
            std::string(floor_.median > 0 ? " Grey: median and mean of the noise floor; right axis: multiples of its "
                                            "median. Labels: median | median minus floor."
                                          : " Labels: median."));
    return std::move(frame_).finished();
  }

 private:
  std::vector<LegendEntry> legend() const {
    std::map<std::string, int> shown;
    for (const SpreadPoint& p : points_) shown[p.name.family] = p.color;
    std::vector<LegendEntry> entries;
    for (const auto& [family, color] : shown) entries.push_back({family, series_color(color)});
    return entries;
  }

  Axis y_axis() const {
    double low = points_.front().p25, high = points_.front().p90;
    for (const SpreadPoint& p : points_) {
      low = std::min({low, p.p25, p.mean});
      high = std::max({high, p.p90, p.mean});
    }
    for (const double f : {floor_.median, floor_.mean})
      if (f > low * 1e-3) low = std::min(low, f);
    return {low, high, panel_.bottom, panel_.top, true, 0.06};
  }

  Point at(double x, double y) const { return {x_.at(x), y_.at(y)}; }

  void draw_floor() {
    for (const auto& [value, dashes] : {std::pair{floor_.median, std::vector<double>{}}, {floor_.mean, {1, 4}}}) {
      if (!(value >= y_.low() && value <= y_.high())) continue;
      frame_.drawing()
          .line({{panel_.left, y_.at(value)}, {panel_.right, y_.at(value)}}, {Ink::tick}, 1.2, dashes)
          .tooltip = "noise floor " + kld_text(value);
    }
    if (!(floor_.median > 0)) return;
    const Axis multiples(y_.low() / floor_.median, y_.high() / floor_.median, panel_.bottom, panel_.top, true, 0);
    for (const Axis::Tick& tick : multiples.ticks(scale_.narrow ? 44 : 60))
      frame_.drawing().text({panel_.right + 6, multiples.at(tick.value) + scale_.small.size * 0.36}, tick.text + "×",
                            {Ink::tick}, scale_.small);
  }

  void draw_family(const std::vector<const SpreadPoint*>& members, LabelField& field) {
    const Color color = series_color(members.front()->color);
    Drawing& drawing = frame_.drawing();
    if (members.size() > 1) {
      std::vector<Point> band, median, mean;
      for (const SpreadPoint* p : members) {
        band.push_back(at(p->x, p->p75));
        median.push_back(at(p->x, p->median));
        mean.push_back(at(p->x, p->mean));
      }
      for (auto p = members.rbegin(); p != members.rend(); ++p) band.push_back(at((*p)->x, (*p)->p25));
      drawing.area(std::move(band), color.faded(0.16));
      for (size_t i = 1; i < median.size(); ++i) field.lines.emplace_back(median[i - 1], median[i]);
      drawing.line(std::move(mean), color, 1.4, {1, 4});
      drawing.line(std::move(median), color, 2);
    }
    if (members.size() > 1 && points_.size() > kMostWhiskers) return;  // the band has to do
    for (const SpreadPoint* p : members) {
      field.lines.emplace_back(at(p->x, p->p25), at(p->x, p->p90));
      drawing.line({at(p->x, p->p75), at(p->x, p->p90)}, color.faded(0.7), 1.2);
      drawing.box({x_.at(p->x) - 4, y_.at(p->p75), x_.at(p->x) + 4, y_.at(p->p25)}, color.faded(0.35));
      drawing.line({{x_.at(p->x) - 5, y_.at(p->mean)}, {x_.at(p->x) + 5, y_.at(p->mean)}}, color, 1.6, {1, 3});
    }
  }

  void draw_points(LabelField& field) {
    for (const SpreadPoint& p : points_) {
      const Point center = at(p.x, p.median);
      Shape& dot = frame_.drawing().circle(center, scale_.marker - 1, series_color(p.color));
      dot.width = 1.5;
      dot.edge = {Ink::figure};
      dot.tooltip = p.tooltip;
      const Box box = Box::around(center, 2 * scale_.marker, 2 * scale_.marker);
      field.markers.push_back(box);
      frame_.drawing().markers.push_back(box);
    }
  }

  PointLabels labels() {
    std::vector<LabelledPoint> points;
    for (const SpreadPoint& p : points_) {
      std::string value = kld_text(p.median);
      if (floor_.median > 0) value += " | " + kld_text(p.median - floor_.median);
      points.push_back({at(p.x, p.median), p.name, p.color, value});
    }
    return {frame_, panel_, std::move(points)};
  }

  const ChartOptions& options_;
  std::vector<SpreadPoint> points_;
  Floor floor_;
  Frame frame_;
  const ChartScale& scale_;
  Box panel_;
  Axis x_, y_;
};

}  // namespace

std::optional<Drawing> spread_chart(const Result& result, const ChartOptions& options) {
  std::vector<SpreadPoint> points = collect(result, options);
  if (points.empty()) return std::nullopt;
  return Spread(result, options, std::move(points)).draw();
}

}  // namespace assay

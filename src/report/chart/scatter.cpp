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

constexpr double kMostDrawn = 1e100;  // beyond, the arithmetic of axes would overflow

struct DataPoint {
  ChartName name;
  int color = 0;
  double x = 0, y = 0;
  Interval bar;
  std::string tooltip;
  Point at;
};

std::vector<DataPoint> collect(const Result& result, const ChartOptions& options) {
  const std::map<std::string, int> colors = family_colors(result);
  const std::optional<size_t> reference = reference_of(result);
  const std::optional<size_t> baseline = options.y == ChartY::ppl ? baseline_of(result) : std::nullopt;
  std::vector<DataPoint> points;
  std::optional<DataPoint> reference_point;
  for (size_t i = 0; i < result.models.size(); ++i) {
    const ModelResult& model = result.models[i];
    if (!model.ok() || !model.measured || model.role == ModelRole::noise_floor) continue;
    DataPoint p;
    p.name = chart_name(model);
    p.color = colors.at(p.name.family);
    p.x = options.x == ChartX::bpw ? chart_bpw(model) : chart_vram(model);
    p.y = options.y == ChartY::ppl ? model.measured->ppl : chart_kld(model);
    if (!(std::abs(p.x) < kMostDrawn && std::abs(p.y) < kMostDrawn)) continue;
    if (p.x > options.max_x || p.y > options.max_y) continue;
    if (options.log_y && p.y <= 0) continue;
    p.bar = options.y == ChartY::ppl ? ppl_interval(result, i, baseline) : kld_interval(model);
    p.tooltip = summary_of(model);
    if (i == reference) {
      reference_point = p;
    } else {
      points.push_back(p);
    }
  }
  // A reference far to the right would squeeze all others; its line says what it measured.
  double right = 0;
  for (const DataPoint& p : points) right = std::max(right, p.x);
  if (reference_point && (points.empty() || reference_point->x <= right * 1.5)) points.push_back(*reference_point);
  return points;
}

/// A horizontal line with its text.
struct Mark {
  double y;
  std::string text;
};

std::vector<Mark> marks_of(const Result& result, const ChartOptions& options) {
  std::vector<Mark> marks;
  for (const ModelResult& model : result.models) {
    if (!model.ok() || !model.measured) continue;
    if (options.y == ChartY::ppl && model.role == ModelRole::reference)
      marks.push_back({model.measured->ppl, fmt::format("{}  {:.3f}", chart_name(model).full(), model.measured->ppl)});
    if (options.y == ChartY::kld && model.role == ModelRole::noise_floor && model.has_comparison())
      marks.push_back({chart_kld(model), fmt::format("noise floor  {}", kld_text(chart_kld(model)))});
  }
  std::erase_if(marks, [&](const Mark& m) {
    return !(std::abs(m.y) < kMostDrawn) || m.y > options.max_y || (options.log_y && m.y <= 0);
  });
  return marks;
}

class Scatter {
 public:
  Scatter(const Result& result, const ChartOptions& options, std::vector<DataPoint> points)
      : options_(options),
        points_(std::move(points)),
        marks_(marks_of(result, options)),
        frame_(options.width, title(), subtitle_of(result), legend()),
        scale_(frame_.scale()),
        panel_(frame_.panel(std::clamp(options.width * 0.58, 300.0, 720.0))),
        x_(x_axis()),
        y_(y_axis()) {
    for (DataPoint& p : points_) p.at = {x_.at(p.x), y_.at(p.y)};
  }

  Drawing draw(const Result& result) && {
    frame_.grid_x(panel_, x_);
    frame_.grid_y(panel_, y_);
    frame_.axis_names(panel_, x_name(), y_name());
    LabelField field{panel_.grown(-4), {}, {}};
    for (const DataPoint& p : points_)
      field.markers.push_back(Box::around(p.at, 2 * scale_.marker + 2, 2 * scale_.marker + 2));
    draw_marks(field);
    draw_families(field);
    draw_bars(field);
    PointLabels names = labels();
    names.draw(field);
    for (const DataPoint& p : points_) {
      Shape& dot = frame_.drawing().circle(p.at, scale_.marker, series_color(p.color));
      dot.width = 1.5;
      dot.edge = {Ink::figure};
      dot.tooltip = p.tooltip;
      frame_.drawing().markers.push_back(Box::around(p.at, 2 * scale_.marker, 2 * scale_.marker));
    }
    names.draw_key();
    frame_.caption(options_, any_bar_ ? bar_note(result, options_.y) : "");
    return std::move(frame_).finished();
  }

 private:
  std::string title() const {
    if (!options_.title.empty()) return options_.title;
    return std::string(options_.y == ChartY::ppl ? "Perplexity" : "KL divergence") +
           (options_.x == ChartX::bpw ? " and bits per weight" : " and size");
  }
  std::string x_name() const {
    if (options_.x == ChartX::vram) return "Quantized weight size |Wq| / GiB (excl. embeddings, incl. output head)";
    return "Bits per weight (excl. embeddings and output head)";
  }
  std::string y_name() const {
    return options_.y == ChartY::ppl ? "Perplexity" : "KL divergence, D_KL(p_FP ‖ p_quant)";
  }

  std::vector<LegendEntry> legend() const {
    std::map<std::string, int> shown;
    for (const DataPoint& p : points_) shown[p.name.family] = p.color;
    std::vector<LegendEntry> entries;
    for (const auto& [family, color] : shown) entries.push_back({family, series_color(color)});
    return entries;
  }

  Axis x_axis() const {
    double low = points_.front().x, high = low;
    for (const DataPoint& p : points_) {
      low = std::min(low, p.x);
      high = std::max(high, p.x);
    }
    return {low, high, panel_.left, panel_.right, false, scale_.narrow ? 0.12 : 0.08};
  }

  Axis y_axis() const {
    double low = points_.front().y, high = low;
    const auto include = [&](double y) {
      low = std::min(low, y);
      high = std::max(high, y);
    };
    for (const DataPoint& p : points_) include(p.y);
    const double span = high - low;
    for (const Mark& m : marks_)
      if (options_.log_y || span == 0 || std::abs(m.y - low) < 3 * span) include(m.y);
    const double room = high > low ? (high - low) / 2 : INFINITY, least = low - room, most = high + room;
    for (const DataPoint& p : points_) {  // bars may widen the axis, but not rule it
      if (options_.log_y || !has_bar(p)) continue;
      include(std::max(p.bar.low, least));
      include(std::min(p.bar.high, most));
    }
    return {low, high, panel_.bottom, panel_.top, options_.log_y, 0.08};
  }

  void draw_marks(LabelField& field) {
    for (const Mark& m : marks_) {
      const double y = y_.at(m.y);
      if (y < panel_.top || y > panel_.bottom) continue;
      frame_.drawing().line({{panel_.left, y}, {panel_.right, y}}, {Ink::edge}, 1.6, {1, 5});
      const std::string text = elided(m.text, panel_.width() * 0.7, scale_.small);
      const double width = text_width(text, scale_.small), height = scale_.small.size * 1.2;
      const auto clear = [&](const Box& box) {
        return panel_.contains(box) && std::none_of(field.markers.begin(), field.markers.end(),
                                                    [&](const Box& marker) { return marker.overlaps(box); });
      };
      std::optional<Box> place;
      for (const double left : {panel_.right - 8 - width, panel_.left + 8, panel_.center().x - width / 2})
        for (const double top : {y - 3 - height, y + 3})
          if (const Box box{left, top, left + width, top + height}; !place && clear(box)) place = box;
      if (!place) continue;
      frame_.drawing().text({place->left, place->bottom - height * 0.25}, text, {Ink::tick}, scale_.small);
      field.markers.push_back(*place);
      frame_.drawing().labels.push_back(*place);
    }
  }

  void draw_families(LabelField& field) {
    std::map<std::string, std::vector<const DataPoint*>> families;
    for (const DataPoint& p : points_) families[p.name.family].push_back(&p);
    for (auto& [family, members] : families) {
      std::sort(members.begin(), members.end(), [](const DataPoint* a, const DataPoint* b) {
        return std::tie(a->x, a->y, a->name.name) < std::tie(b->x, b->y, b->name.name);
      });
      std::vector<Point> path;
      for (const DataPoint* p : members) path.push_back(p->at);
      for (size_t i = 1; i < path.size(); ++i) field.lines.emplace_back(path[i - 1], path[i]);
      if (path.size() > 1) frame_.drawing().line(std::move(path), series_color(members.front()->color), 1.8, {1, 4.5});
    }
  }

  static bool has_bar(const DataPoint& p) { return std::isfinite(p.bar.low) && std::isfinite(p.bar.high); }

  void draw_bars(LabelField& field) {
    for (const DataPoint& p : points_) {
      if (!has_bar(p) || p.bar.low == p.bar.high) continue;
      const double top = std::max(y_.at(std::min(p.bar.high, y_.high())), panel_.top);
      const double bottom = p.bar.low <= y_.low() ? panel_.bottom : y_.at(p.bar.low);
      any_bar_ = true;
      const Color color = series_color(p.color).faded(0.75);
      frame_.drawing().line({{p.at.x, top}, {p.at.x, bottom}}, color, 1.6);
      for (const double end : {top, bottom}) frame_.drawing().line({{p.at.x - 4, end}, {p.at.x + 4, end}}, color, 1.6);
      field.lines.emplace_back(Point{p.at.x, top}, Point{p.at.x, bottom});
    }
  }

  std::string value_text(double y) const { return options_.y == ChartY::ppl ? fmt::format("{:.3f}", y) : kld_text(y); }

  PointLabels labels() {
    std::vector<LabelledPoint> points;
    for (const DataPoint& p : points_) points.push_back({p.at, p.name, p.color, value_text(p.y)});
    return {frame_, panel_, std::move(points)};
  }

  const ChartOptions& options_;
  std::vector<DataPoint> points_;
  std::vector<Mark> marks_;
  Frame frame_;
  const ChartScale& scale_;
  Box panel_;
  Axis x_, y_;
  bool any_bar_ = false;
};

}  // namespace

std::optional<Drawing> scatter_chart(const Result& result, const ChartOptions& options) {
  std::vector<DataPoint> points = collect(result, options);
  if (points.empty()) return std::nullopt;
  return Scatter(result, options, std::move(points)).draw(result);
}

}  // namespace assay

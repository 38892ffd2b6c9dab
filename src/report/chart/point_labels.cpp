#include "report/chart/point_labels.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace assay {

namespace {

constexpr size_t kMostNames = 70;
constexpr size_t kMostNumbers = 400;
constexpr size_t kMostStacked = 8;  // names at one place
constexpr double kKeyColumn = 360;

double line_height(const TextStyle& style) {
  return style.size * 1.25;
}

}  // namespace

std::vector<PointLabels::Cluster> PointLabels::clusters() const {
  std::vector<Cluster> out;
  for (size_t i = 0; i < points_.size(); ++i) {
    const auto near = std::find_if(out.begin(), out.end(), [&](const Cluster& c) {
      const Point other = points_[c.front()].at;
      return std::hypot(points_[i].at.x - other.x, points_[i].at.y - other.y) < scale_.marker * 0.7;
    });
    near == out.end() ? out.push_back({i}) : near->push_back(i);
  }
  return out;
}

PointLabels::Label PointLabels::full_label(const Cluster& cluster) const {
  Label lines;
  const double widest = std::max(120.0, panel_.width() * 0.24);
  const auto ambiguous = [&](const LabelledPoint& p) {
    return std::count_if(cluster.begin(), cluster.end(),
                         [&](size_t i) { return points_[i].name.name == p.name.name; }) > 1;
  };
  for (size_t k = 0; k < cluster.size(); ++k) {
    const LabelledPoint& p = points_[cluster[k]];
    for (const std::string& line : wrapped(ambiguous(p) ? p.name.full() : p.name.name, widest, scale_.name, 3))
      lines.push_back({line, scale_.name, series_text_color(p.color)});
    const bool last = k + 1 == cluster.size();
    if (last || points_[cluster[k + 1]].value != p.value)  // equal ones are said once
      lines.push_back({p.value, scale_.value, {Ink::label}});
  }
  return lines;
}

/// "3, 7–9".
PointLabels::Label PointLabels::number_label(const Cluster& cluster) const {
  std::string text;
  for (size_t i = 0; i < cluster.size(); ++i) {
    size_t end = i;
    while (end + 1 < cluster.size() && number_[cluster[end + 1]] == number_[cluster[end]] + 1) ++end;
    text += (i > 0 ? ", " : "") + std::to_string(number_[cluster[i]]);
    if (end > i) text += "–" + std::to_string(number_[cluster[end]]);
    i = end;
  }
  return {{elided(text, panel_.width() * 0.4, scale_.name), scale_.name,
           series_text_color(points_[cluster.front()].color)}};
}

LabelSize PointLabels::size_of(const Label& label, Point at) const {
  LabelSize size{at, 0, 4};
  for (const Text& line : label) {
    size.width = std::max(size.width, text_width(line.text, line.style) + 8);
    size.height += line_height(line.style);
  }
  return size;
}

void PointLabels::draw(const LabelField& field) {
  std::vector<Cluster> groups = clusters();
  const bool stacked =
      std::all_of(groups.begin(), groups.end(), [](const Cluster& c) { return c.size() <= kMostStacked; });
  if (groups.size() <= kMostNames && stacked) {
    std::vector<Label> labels;
    for (const Cluster& cluster : groups) labels.push_back(full_label(cluster));
    if (draw(field, groups, labels, true)) return;
  }
  key_.resize(points_.size());
  std::iota(key_.begin(), key_.end(), size_t{0});
  std::stable_sort(key_.begin(), key_.end(), [&](size_t a, size_t b) {
    return std::tie(points_[a].name.family, points_[a].at.x) < std::tie(points_[b].name.family, points_[b].at.x);
  });
  number_.resize(points_.size());
  for (size_t i = 0; i < key_.size(); ++i) number_[key_[i]] = static_cast<int>(i) + 1;
  std::vector<Label> labels;
  for (Cluster& cluster : groups) {
    std::sort(cluster.begin(), cluster.end(), [&](size_t a, size_t b) { return number_[a] < number_[b]; });
    labels.push_back(number_label(cluster));
  }
  if (groups.size() <= kMostNumbers) draw(field, groups, labels, false);
}

/// `all`: draws nothing, and returns false, unless there is room for each.
bool PointLabels::draw(const LabelField& field, const std::vector<Cluster>& clusters, const std::vector<Label>& labels,
                       bool all) {
  std::vector<LabelSize> sizes;
  for (size_t i = 0; i < clusters.size(); ++i) sizes.push_back(size_of(labels[i], points_[clusters[i].front()].at));
  const std::vector<std::optional<Box>> places = place_labels(field, sizes);
  if (all && std::find(places.begin(), places.end(), std::nullopt) != places.end()) return false;
  Drawing& drawing = frame_.drawing();
  for (size_t i = 0; i < places.size(); ++i) {
    if (!places[i]) continue;
    const Point end = places[i]->nearest(sizes[i].point);
    if (std::hypot(end.x - sizes[i].point.x, end.y - sizes[i].point.y) > scale_.marker + 7)
      drawing.line({sizes[i].point, end}, {Ink::label, 0, 0.45}, 0.8);
  }
  for (size_t i = 0; i < places.size(); ++i) {
    if (!places[i]) continue;
    const Box& box = *places[i];
    drawing.labels.push_back(box);
    drawing.box(box, {Ink::axes, 0, 0.72}, 4);
    double y = box.top + 1;
    for (const Text& line : labels[i]) {
      y += line_height(line.style);
      drawing.text({box.center().x, y - line.style.size * 0.22}, line.text, line.color,
                   {line.style.size, line.style.bold, Anchor::middle});
    }
  }
  return true;
}

void PointLabels::draw_key() {
  if (key_.empty()) return;
  const double room = scale_.width - 2 * scale_.margin();
  const int columns = std::max(1, static_cast<int>(room / kKeyColumn));
  const int rows = (static_cast<int>(key_.size()) + columns - 1) / columns;
  const double width = room / columns, number = text_width(std::to_string(key_.size()), scale_.name) + 8;
  const double top = frame_.y() + scale_.line() * 0.6;
  for (int i = 0; i < static_cast<int>(key_.size()); ++i) {
    const LabelledPoint& p = points_[key_[i]];
    const double left = scale_.margin() + width * (i / rows), y = top + scale_.line() * (i % rows + 1);
    const double value_width = text_width(p.value, scale_.value);
    Drawing& drawing = frame_.drawing();
    drawing.text({left + number - 8, y}, std::to_string(number_[key_[i]]), series_text_color(p.color),
                 {scale_.name.size, true, Anchor::end});
    drawing.text({left + number, y}, elided(p.name.full(), width - number - value_width - 26, scale_.small),
                 {Ink::label}, scale_.small);
    drawing.text({left + width - 16, y}, p.value, {Ink::label}, {scale_.value.size, false, Anchor::end});
  }
  frame_.skip(top + scale_.line() * (rows + 0.4) - frame_.y());
}

}  // namespace assay

#include "report/chart/labels.h"

#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace assay {

namespace {

constexpr double kGap = 2;  // between boxes
constexpr std::array<double, 9> kDistances = {9, 16, 26, 40, 58, 80, 110, 150, 200};
constexpr int kAngles = 16;
constexpr int kSweeps = 4;

constexpr double kLineCost = 14, kLeaderCost = 30, kUnplacedCost = 1e6;

/// The box whose nearest side is `distance` from the point in one of the directions.
Box candidate(const LabelSize& label, double distance, int angle) {
  const double a = 2 * M_PI * (angle + 0.0) / kAngles;
  const double dx = std::cos(a), dy = -std::sin(a);
  // Moved out until the box just clears a circle of that radius, more or less: half its extent in that direction.
  const Point center{label.point.x + dx * (distance + label.width / 2),
                     label.point.y + dy * (distance + label.height / 2)};
  return Box::around(center, label.width, label.height);
}

class Placer {
 public:
  Placer(const LabelField& field, const std::vector<LabelSize>& labels)
      : field_(field), labels_(labels), boxes_(labels.size()) {}

  void place(const std::vector<size_t>& order) {
    for (auto& box : boxes_) box.reset();
    for (int sweep = 0; sweep < kSweeps; ++sweep)
      for (const size_t i : order) boxes_[i] = best(i);
  }

  double cost() const {
    double sum = 0;
    for (size_t i = 0; i < boxes_.size(); ++i) sum += boxes_[i] ? cost(i, *boxes_[i]) : kUnplacedCost;
    return sum;
  }

  const std::vector<std::optional<Box>>& boxes() const { return boxes_; }

 private:
  std::optional<Box> best(size_t i) const {
    std::optional<Box> best;
    double least = std::numeric_limits<double>::infinity();
    for (const double distance : kDistances) {
      if (distance * 0.5 > least) break;  // farther ones cost more than what is found
      for (int angle = 0; angle < kAngles; ++angle) {
        const Box box = candidate(labels_[i], distance, angle);
        if (!possible(i, box)) continue;
        const double c = cost(i, box);
        if (c < least) {
          least = c;
          best = box;
        }
      }
    }
    return best;
  }

  bool possible(size_t i, const Box& box) const {
    if (!field_.area.contains(box)) return false;
    const Box grown = box.grown(kGap);
    for (const Box& marker : field_.markers)
      if (grown.overlaps(marker)) return false;
    for (size_t j = 0; j < boxes_.size(); ++j)
      if (j != i && boxes_[j] && grown.overlaps(*boxes_[j])) return false;
    return true;
  }

  double cost(size_t i, const Box& box) const {
    const Point point = labels_[i].point, end = box.nearest(point);
    double cost = std::hypot(end.x - point.x, end.y - point.y);
    for (const auto& [a, b] : field_.lines) cost += crosses(a, b, box) ? kLineCost : 0;
    for (const Box& marker : field_.markers)
      if (!marker.contains(point) && crosses(point, end, marker)) cost += kLeaderCost;
    for (size_t j = 0; j < boxes_.size(); ++j) {
      if (j == i || !boxes_[j]) continue;
      const Point other = labels_[j].point, other_end = boxes_[j]->nearest(other);
      if (crosses(point, end, *boxes_[j]) || crosses(other, other_end, box) || cross(point, end, other, other_end))
        cost += kLeaderCost;
    }
    return cost;
  }

  const LabelField& field_;
  const std::vector<LabelSize>& labels_;
  std::vector<std::optional<Box>> boxes_;
};

/// Sum of nearness to all other points: the crowded ones choose first.
std::vector<double> crowding(const std::vector<LabelSize>& labels) {
  std::vector<double> out(labels.size());
  for (size_t i = 0; i < labels.size(); ++i)
    for (size_t j = 0; j < labels.size(); ++j)
      if (i != j)
        out[i] += 1 / (10 + std::hypot(labels[i].point.x - labels[j].point.x, labels[i].point.y - labels[j].point.y));
  return out;
}

}  // namespace

std::vector<std::optional<Box>> place_labels(const LabelField& field, const std::vector<LabelSize>& labels) {
  std::vector<size_t> order(labels.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const std::vector<double> crowd = crowding(labels);
  Placer placer(field, labels);
  std::vector<std::optional<Box>> best(labels.size());
  double least = std::numeric_limits<double>::infinity();
  const auto attempt = [&](auto before) {
    std::stable_sort(order.begin(), order.end(), before);
    placer.place(order);
    if (placer.cost() < least) {
      least = placer.cost();
      best = placer.boxes();
    }
  };
  attempt([&](size_t a, size_t b) { return crowd[a] > crowd[b]; });
  attempt([&](size_t a, size_t b) { return labels[a].point.x < labels[b].point.x; });
  attempt([&](size_t a, size_t b) { return labels[a].point.y < labels[b].point.y; });
  return best;
}

}  // namespace assay

#pragma once
#include <algorithm>

namespace assay {

/// Pixels; y grows downwards.
struct Point {
  double x = 0, y = 0;
};

struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;

  double width() const { return right - left; }
  double height() const { return bottom - top; }
  Point center() const { return {(left + right) / 2, (top + bottom) / 2}; }
  Box grown(double by) const { return {left - by, top - by, right + by, bottom + by}; }
  bool contains(Point p) const { return left <= p.x && p.x <= right && top <= p.y && p.y <= bottom; }
  bool contains(const Box& b) const { return left <= b.left && b.right <= right && top <= b.top && b.bottom <= bottom; }
  bool overlaps(const Box& b) const { return left < b.right && b.left < right && top < b.bottom && b.top < bottom; }
  /// The point of the box that is nearest to p.
  Point nearest(Point p) const { return {std::clamp(p.x, left, right), std::clamp(p.y, top, bottom)}; }

  static Box around(Point center, double width, double height) {
    return {center.x - width / 2, center.y - height / 2, center.x + width / 2, center.y + height / 2};
  }
};

/// Whether the line from a to b meets the box.
bool crosses(Point a, Point b, const Box& box);
/// Whether two lines meet.
bool cross(Point a, Point b, Point c, Point d);

}  // namespace assay

#include "report/chart/geometry.h"

namespace assay {

namespace {

/// Twice the signed area of a triangle.
double area(Point a, Point b, Point c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

}  // namespace

bool cross(Point a, Point b, Point c, Point d) {
  return (area(a, b, c) > 0) != (area(a, b, d) > 0) && (area(c, d, a) > 0) != (area(c, d, b) > 0);
}

bool crosses(Point a, Point b, const Box& box) {
  if (box.contains(a) || box.contains(b)) return true;
  const Point corners[] = {{box.left, box.top}, {box.right, box.top}, {box.right, box.bottom}, {box.left, box.bottom}};
  for (int i = 0; i < 4; ++i)
    if (cross(a, b, corners[i], corners[(i + 1) % 4])) return true;
  return false;
}

}  // namespace assay

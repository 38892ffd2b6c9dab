#pragma once
#include <string>
#include <vector>

#include "report/chart/geometry.h"
#include "report/chart/theme.h"

namespace assay {

enum class Anchor : uint8_t { start, middle, end };

struct TextStyle {
  double size = 13;
  bool bold = false;
  Anchor anchor = Anchor::start;
  bool upwards = false;  ///< turned to read from bottom to top
};

/// One thing on a chart.
struct Shape {
  enum class Kind : uint8_t { line, area, circle, text };
  Kind kind = Kind::line;
  std::vector<Point> points;  ///< of a line or an area; else the centre, or the start of the baseline
  Color color;
  double width = 0;  ///< of the line, 0 = filled without one
  std::vector<double> dashes;
  double radius = 0;  ///< of a circle, or of the corners of an area that is a box
  Color edge;         ///< of a circle with width > 0
  std::string text;
  TextStyle style;
  std::string tooltip;
};

/// A chart as shapes with their places in pixels, in the order of painting. What draws it need not know what it means,
/// and tests can see what overlaps.
class Drawing {
 public:
  Drawing(double width, double height) : width_(width), height_(height) {}

  double width() const { return width_; }
  double height() const { return height_; }
  void set_height(double height) { height_ = height; }
  const std::vector<Shape>& shapes() const { return shapes_; }
  /// Boxes of the labels of points, for tests.
  std::vector<Box> labels, markers;

  // The reference is good until the next shape.
  Shape& line(std::vector<Point> points, Color color, double width, std::vector<double> dashes = {});
  Shape& area(std::vector<Point> points, Color fill);
  Shape& box(const Box& box, Color fill, double corner_radius = 0);
  Shape& circle(Point center, double radius, Color fill);
  Shape& text(Point baseline, const std::string& text, Color color, TextStyle style = {});

 private:
  double width_, height_;
  std::vector<Shape> shapes_;
};

/// Width of a line of text, as Cairo will draw it.
double text_width(const std::string& text, const TextStyle& style);
/// Valid UTF-8 without control characters, and without those that turn the direction of text.
std::string drawable(const std::string& text);
/// The text cut in its middle, where it is wider than `width`.
std::string elided(const std::string& text, double width, const TextStyle& style);
/// Lines no wider than `width`, broken at spaces and after - _ / where there are any; the last of `most` lines is
/// elided.
std::vector<std::string> wrapped(const std::string& text, double width, const TextStyle& style, size_t most);

}  // namespace assay

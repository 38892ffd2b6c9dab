#pragma once
#include <string>
#include <vector>

#include "report/chart/axis.h"
#include "report/chart/charts.h"
#include "report/chart/drawing.h"

namespace assay {

/// Sizes that depend on how wide a chart is.
struct ChartScale {
  explicit ChartScale(double width)
      : width(width),
        narrow(width < 640),
        title{narrow ? 17.0 : 21.0, true},
        small{narrow ? 11.0 : 13.0},
        name{narrow ? 11.5 : 13.5, true},
        value{narrow ? 11.0 : 12.5},
        marker(narrow ? 4.5 : 6) {}

  double width;
  bool narrow;
  TextStyle title, small, name, value;
  double marker;  ///< radius of a point

  double margin() const { return narrow ? 10 : 24; }
  /// Left of a panel: the name of its axis, and numbers of six digits.
  double left() const { return narrow ? 70 : 88; }
  double line() const { return small.size * 1.4; }
};

struct LegendEntry {
  std::string text;
  Color color;
};

/// A chart from its title down to its axes. Panels follow below; the height grows with what is drawn.
class Frame {
 public:
  Frame(double width, const std::string& title, const std::string& subtitle, const std::vector<LegendEntry>& legend);

  const ChartScale& scale() const { return scale_; }
  Drawing& drawing() { return drawing_; }
  /// Where the next thing may begin.
  double y() const { return y_; }
  void skip(double pixels) { y_ += pixels; }

  /// A panel over the whole width, `height` tall, with room for the texts of the axes.
  Box panel(double height, bool right_axis = false);
  void grid_x(const Box& panel, const Axis& x);
  void grid_y(const Box& panel, const Axis& y);
  /// Names of the axes; y's is turned.
  void axis_names(const Box& panel, const std::string& x, const std::string& y);
  /// What explains the chart, unless the options have another text for it.
  void caption(const ChartOptions& options, std::string usual);
  /// Small print, wrapped.
  void note(const std::string& text);
  /// With the height as it has become.
  Drawing finished() &&;

 private:
  ChartScale scale_;
  Drawing drawing_;
  double y_ = 0;
};

}  // namespace assay

#pragma once
#include <string>
#include <vector>

#include "report/chart/families.h"
#include "report/chart/frame.h"
#include "report/chart/labels.h"

namespace assay {

/// A point of a chart that wants its name and value beside it.
struct LabelledPoint {
  Point at;
  ChartName name;
  int color = 0;
  std::string value;
};

/// Names and values beside the points, with thin leaders where they are not near. Where not all have room, numbers
/// stand there, and the names in a key below the chart. Points at one place share a label.
class PointLabels {
 public:
  PointLabels(Frame& frame, const Box& panel, std::vector<LabelledPoint> points)
      : frame_(frame), scale_(frame.scale()), panel_(panel), points_(std::move(points)) {}

  void draw(const LabelField& field);
  /// Below what is there; nothing where labels have names.
  void draw_key();

 private:
  using Cluster = std::vector<size_t>;  ///< points
  struct Text {
    std::string text;
    TextStyle style;
    Color color;
  };
  using Label = std::vector<Text>;  ///< lines

  std::vector<Cluster> clusters() const;
  Label full_label(const Cluster& cluster) const;
  Label number_label(const Cluster& cluster) const;
  LabelSize size_of(const Label& label, Point at) const;
  bool draw(const LabelField& field, const std::vector<Cluster>& clusters, const std::vector<Label>& labels, bool all);

  Frame& frame_;
  const ChartScale& scale_;
  Box panel_;
  std::vector<LabelledPoint> points_;
  std::vector<int> number_;  ///< of each point, from 1; empty where labels have names
  std::vector<size_t> key_;  ///< points in the order of their numbers
};

}  // namespace assay

#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "report/chart/geometry.h"

namespace assay {

/// What labels must keep clear of.
struct LabelField {
  Box area;                                    ///< they stay inside
  std::vector<Box> markers;                    ///< of all points; no label covers one
  std::vector<std::pair<Point, Point>> lines;  ///< better not crossed
};

struct LabelSize {
  Point point;  ///< what the label is about
  double width = 0, height = 0;
};

/// A place for each label near its point: no two overlap each other or a marker. Nothing where there was no room. The
/// same for the same input.
std::vector<std::optional<Box>> place_labels(const LabelField& field, const std::vector<LabelSize>& labels);

}  // namespace assay

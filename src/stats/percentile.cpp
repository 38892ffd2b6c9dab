#include "stats/percentile.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace assay {

double percentile(std::span<const double> sorted, double q) {
  ASSAY_CHECK(!sorted.empty() && q >= 0 && q <= 1);
  const double position = static_cast<double>(sorted.size() - 1) * q;
  const auto below = static_cast<size_t>(position);
  const double above = sorted[std::min(below + 1, sorted.size() - 1)];
  return std::lerp(sorted[below], above, position - std::floor(position));
}

double median_lower(std::span<const double> sorted) {
  ASSAY_CHECK(!sorted.empty());
  return sorted[(sorted.size() - 1) / 2];
}

}  // namespace assay

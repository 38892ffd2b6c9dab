#include "stats/histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace assay {

int64_t LogHistogram::total() const {
  return std::accumulate(counts.begin(), counts.end(), below + above);
}

void LogHistogram::add(std::span<const double> values) {
  for (const double x : values) {
    if (!std::isfinite(x)) continue;
    const double bin = x > 0 ? std::floor((std::log10(x) - kLow) / (kHigh - kLow) * kBins) : -1;
    if (bin < 0) {
      ++below;
    } else if (bin >= kBins) {
      ++above;
    } else {
      ++counts[static_cast<size_t>(bin)];
    }
  }
}

}  // namespace assay

#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace assay {

/// Counts of values over bins that are the same for every model, equal on a logarithmic scale.
struct LogHistogram {
  static constexpr double kLow = -10, kHigh = 2;  ///< log10 of the outer edges
  static constexpr int kBins = 240;               ///< 20 for a factor of ten

  std::vector<int64_t> counts = std::vector<int64_t>(kBins);
  int64_t below = 0, above = 0;  ///< zero and less, or too small; too large

  int64_t total() const;
  /// Values that are not finite are left out.
  void add(std::span<const double> values);
  /// log10 of the lower edge of a bin; of the upper one with `bin` + 1.
  static double edge(double bin) { return kLow + (kHigh - kLow) * bin / kBins; }
};

}  // namespace assay

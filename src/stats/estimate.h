#pragma once
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "stats/windows.h"

namespace assay {

struct Interval {
  double low = NAN, high = NAN;
  bool contains(double x) const { return low <= x && x <= high; }
};

/// A mean with the standard error that dependent observations leave it. With one cluster there is none: NaN.
struct Estimate {
  double mean = NAN;
  double se = NAN;
  int64_t df = 0;  ///< clusters - 1

  Interval interval(double level = 0.95) const;
  /// Of the hypothesis that the true mean is 0, two-sided.
  double p_value() const;
};

/// What counts as one independent observation. Blocks are disjoint stretches of `stride` corpus tokens: where rows
/// overlap, everything said about one stretch of text, in whichever row, is one cluster.
enum class Clustering : uint8_t { rows, blocks, rows_and_blocks };

/// Rows where they share no text, else blocks.
Clustering default_clustering(const Windows& windows);

/// Mean of values [rows, count] and its cluster-robust standard error (Liang & Zeger 1986, CR1); rows_and_blocks is the
/// two-way form of Cameron, Gelbach & Miller 2011.
Estimate estimate(std::span<const double> values, const Windows& windows, Clustering clustering);
inline Estimate estimate(std::span<const double> values, const Windows& windows) {
  return estimate(values, windows, default_clustering(windows));
}

/// Mean of each row.
std::vector<double> row_means(std::span<const double> values, const Windows& windows);

}  // namespace assay

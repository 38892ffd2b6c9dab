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

/// Sums of the observations of each cluster: all that an estimate needs, and what results keep of a run.
struct ClusterSums {
  std::vector<double> sum;
  std::vector<int64_t> count;  ///< observations

  int64_t observations() const;
};

/// The cluster of each observation of [rows, count], in the order of the text. Of rows_and_blocks the clusters are the
/// cells, what one row says about one block.
struct ClusterIndex {
  std::vector<int32_t> of;
  int64_t clusters = 0;  ///< some may have no observation
};
ClusterIndex cluster_index(const Windows& windows, Clustering clustering);

/// Of values [rows, count]. Values that are not finite are left out; their number is for the
/// caller to report.
ClusterSums cluster_sums(std::span<const double> values, const Windows& windows, Clustering clustering);

/// Mean and cluster-robust standard error (Liang & Zeger 1986, CR1) of one-way clusters. Empty clusters do not count.
Estimate estimate(const ClusterSums& clusters);

/// Rows where they share no text, else blocks.
Clustering default_clustering(const Windows& windows);

/// The same of values [rows, count]; rows_and_blocks is the two-way form of Cameron, Gelbach & Miller 2011.
Estimate estimate(std::span<const double> values, const Windows& windows, Clustering clustering);
inline Estimate estimate(std::span<const double> values, const Windows& windows) {
  return estimate(values, windows, default_clustering(windows));
}

/// Mean of each row; NaN where no value is finite.
std::vector<double> row_means(std::span<const double> values, const Windows& windows);

}  // namespace assay

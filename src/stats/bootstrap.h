#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "stats/estimate.h"

namespace assay {

/// What resampling whole clusters says about a statistic (Efron & Tibshirani 1993; Davison & Hinkley 1997 for
/// clusters).
struct BootstrapError {
  double se = NAN;
  Interval interval;  ///< 2.5 and 97.5 percent of the replicates
};
BootstrapError bootstrap_error(std::vector<double> replicates);

constexpr int64_t kResamples = 1000;

/// Indices of rows or other clusters [resamples, rows], each line one resample with repetition. The same for the same
/// arguments, anywhere.
std::vector<int32_t> bootstrap_rows(int64_t rows, int64_t resamples, uint64_t seed);

/// For each line of `table` the mean of all values of its rows. Values that are not finite are left out.
std::vector<double> bootstrap_means(std::span<const int32_t> table, std::span<const double> values, int64_t rows);

/// For each q, and for each line of `table`, the percentile (type 7) of all values of its clusters, as above.
std::vector<std::vector<double>> bootstrap_percentiles(std::span<const int32_t> table, std::span<const double> values,
                                                       const ClusterIndex& index, std::span<const double> q);

}  // namespace assay

#pragma once
#include <optional>

#include "stats/estimate.h"

namespace assay {

/// Exact two-sided binomial test of "positive as often as negative"; zeros are dropped.
struct SignTest {
  int64_t positive = 0, nonzero = 0;
  double p = 1;
};
SignTest sign_test(std::span<const double> differences);

/// Two models on the same tokens. Far tighter than a comparison of their two intervals, because what makes a text hard
/// is common to both.
struct PairedComparison {
  Estimate difference;  ///< mean of a - b
  SignTest rows;        ///< of the row means; tokens of one row are not independent

  bool indistinguishable(double level = 0.95) const { return difference.interval(level).contains(0); }
};

/// a and b [rows, count]. For NLLs, exp(difference.mean) is the ratio of perplexities.
PairedComparison compare_paired(std::span<const double> a, std::span<const double> b, const Windows& windows,
                                Clustering clustering);

/// The difference from the sums that two runs kept. Nothing when they are not about the same tokens.
std::optional<Estimate> compare_paired(const ClusterSums& a, const ClusterSums& b);

}  // namespace assay

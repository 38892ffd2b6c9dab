#pragma once
#include "stats/estimate.h"

namespace assay {

/// exp of the mean negative log-likelihood of all scored tokens.
struct Perplexity {
  Estimate nll;                 ///< nats a token
  ClusterSums clusters;         ///< of the NLL, what `nll` is made of
  std::vector<double> row_nll;  ///< mean of each row
  double ppl = NAN;
  double ppl_se = NAN;  ///< by the delta method: ppl * nll.se

  /// exp of the interval of the mean: not symmetric.
  Interval interval(double level = 0.95) const;
};

/// nll [rows, count].
Perplexity perplexity(std::span<const double> nll, const Windows& windows, Clustering clustering);
inline Perplexity perplexity(std::span<const double> nll, const Windows& windows) {
  return perplexity(nll, windows, default_clustering(windows));
}

}  // namespace assay

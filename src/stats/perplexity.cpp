#include "stats/perplexity.h"

namespace assay {

Interval Perplexity::interval(double level) const {
  const Interval mean = nll.interval(level);
  return {std::exp(mean.low), std::exp(mean.high)};
}

Perplexity perplexity(std::span<const double> nll, const Windows& windows, Clustering clustering) {
  Perplexity out;
  out.clusters = cluster_sums(nll, windows, clustering);
  out.nll = estimate(nll, windows, clustering);
  out.row_nll = row_means(nll, windows);
  out.ppl = std::exp(out.nll.mean);
  out.ppl_se = out.ppl * out.nll.se;
  return out;
}

}  // namespace assay

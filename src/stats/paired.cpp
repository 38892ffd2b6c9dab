#include "stats/paired.h"

#include <algorithm>
#include <functional>

#include "base/error.h"

namespace assay {

SignTest sign_test(std::span<const double> differences) {
  SignTest out;
  for (const double d : differences) {
    out.positive += d > 0;
    out.nonzero += d != 0;
  }
  const int64_t n = out.nonzero;
  const int64_t rarer = std::min(out.positive, n - out.positive);
  if (2 * rarer == n) return out;
  // The tail sum of C(n, i) / 2^n from its largest term downwards.
  const double m = static_cast<double>(rarer), total = static_cast<double>(n);
  double term = std::exp(std::lgamma(total + 1) - std::lgamma(m + 1) - std::lgamma(total - m + 1) - total * M_LN2);
  double tail = 0;
  for (int64_t i = rarer; i >= 0 && term > 0; --i) {
    tail += term;
    term *= static_cast<double>(i) / static_cast<double>(n - i + 1);
  }
  out.p = std::min(1.0, 2 * tail);
  return out;
}

PairedComparison compare_paired(std::span<const double> a, std::span<const double> b, const Windows& windows,
                                Clustering clustering) {
  ASSAY_CHECK(a.size() == b.size());
  std::vector<double> difference(a.size());
  std::transform(a.begin(), a.end(), b.begin(), difference.begin(), std::minus<>());
  return {estimate(difference, windows, clustering), sign_test(row_means(difference, windows))};
}

std::optional<Estimate> compare_paired(const ClusterSums& a, const ClusterSums& b) {
  if (a.count != b.count || a.sum.size() != b.sum.size() || a.observations() == 0) return std::nullopt;
  ClusterSums difference = a;
  for (size_t i = 0; i < a.sum.size(); ++i) difference.sum[i] -= b.sum[i];
  return estimate(difference);
}

}  // namespace assay

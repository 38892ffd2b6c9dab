#include "stats/estimate.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "stats/student_t.h"

namespace assay {

namespace {

void add(ClusterSums& clusters, size_t index, double value) {
  if (!std::isfinite(value)) return;
  clusters.sum[index] += value;
  ++clusters.count[index];
}

/// Variance of the mean that these clusters leave.
struct Variance {
  double value = NAN;
  int64_t clusters = 0;
};

Variance variance(const ClusterSums& c, double mean) {
  Variance out;
  double squares = 0;
  for (size_t i = 0; i < c.sum.size(); ++i) {
    if (c.count[i] == 0) continue;
    const double deviation = c.sum[i] - static_cast<double>(c.count[i]) * mean;
    squares += deviation * deviation;
    ++out.clusters;
  }
  const double g = static_cast<double>(out.clusters), n = static_cast<double>(c.observations());
  if (out.clusters > 1) out.value = g / (g - 1) * squares / (n * n);
  return out;
}

double mean_of(const ClusterSums& c) {
  return std::accumulate(c.sum.begin(), c.sum.end(), 0.0) / static_cast<double>(c.observations());
}

}  // namespace

Interval Estimate::interval(double level) const {
  if (df < 1) return {};
  const double half = t_quantile((1 + level) / 2, df) * se;
  return {mean - half, mean + half};
}

double Estimate::p_value() const {
  return df < 1 ? NAN : t_two_sided_p(mean / se, df);
}

Clustering default_clustering(const Windows& windows) {
  return windows.overlap() ? Clustering::blocks : Clustering::rows;
}

int64_t ClusterSums::observations() const {
  return std::accumulate(count.begin(), count.end(), int64_t{0});
}

ClusterIndex cluster_index(const Windows& w, Clustering clustering) {
  ASSAY_CHECK(w.rows > 0 && w.count > 0);
  ClusterIndex out;
  out.of.reserve(w.observations());
  const auto fill = [&](int64_t clusters, auto index) {
    out.clusters = clusters;
    for (int64_t r = 0; r < w.rows; ++r)
      for (int64_t j = 0; j < w.count; ++j) out.of.push_back(static_cast<int32_t>(index(r, j)));
    return out;
  };
  if (clustering == Clustering::rows) return fill(w.rows, [](int64_t r, int64_t) { return r; });
  ASSAY_CHECK(w.stride > 0 && w.offset >= 0);
  const auto block = [&](int64_t row, int64_t j) { return (row * w.stride + w.offset + j) / w.stride; };
  if (clustering == Clustering::blocks) return fill(block(w.rows - 1, w.count - 1) + 1, block);
  // Cells [rows, blocks of a row]: a row's blocks begin with its own first one.
  const int64_t row_blocks = block(0, w.count - 1) - block(0, 0) + 1;
  return fill(w.rows * row_blocks, [&](int64_t r, int64_t j) { return r * row_blocks + block(r, j) - block(r, 0); });
}

ClusterSums cluster_sums(std::span<const double> values, const Windows& w, Clustering clustering) {
  ASSAY_CHECK(static_cast<int64_t>(values.size()) == w.observations());
  const ClusterIndex index = cluster_index(w, clustering);
  ClusterSums out{std::vector<double>(index.clusters), std::vector<int64_t>(index.clusters)};
  for (size_t i = 0; i < values.size(); ++i) add(out, index.of[i], values[i]);
  return out;
}

Estimate estimate(const ClusterSums& clusters) {
  if (clusters.observations() == 0) return {};
  const double mean = mean_of(clusters);
  const Variance v = variance(clusters, mean);
  return {mean, std::sqrt(v.value), v.clusters - 1};
}

Estimate estimate(std::span<const double> values, const Windows& w, Clustering clustering) {
  if (clustering != Clustering::rows_and_blocks) return estimate(cluster_sums(values, w, clustering));
  const ClusterSums rows = cluster_sums(values, w, Clustering::rows);
  if (rows.observations() == 0) return {};
  const double mean = mean_of(rows);
  const Variance row = variance(rows, mean);
  const Variance block = variance(cluster_sums(values, w, Clustering::blocks), mean);
  const Variance cell = variance(cluster_sums(values, w, Clustering::rows_and_blocks), mean);
  const double both = row.value + block.value - cell.value;
  return {mean, std::sqrt(both < 0 ? 0.0 : both), std::min(row.clusters, block.clusters) - 1};
}

std::vector<double> row_means(std::span<const double> values, const Windows& w) {
  const ClusterSums rows = cluster_sums(values, w, Clustering::rows);
  std::vector<double> means;
  for (size_t r = 0; r < rows.sum.size(); ++r)
    means.push_back(rows.count[r] > 0 ? rows.sum[r] / static_cast<double>(rows.count[r]) : NAN);
  return means;
}

}  // namespace assay

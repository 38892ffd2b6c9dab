#include "stats/estimate.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "stats/student_t.h"

namespace assay {

namespace {

struct Clusters {
  double sum_of_squares = 0;  // of the summed deviations of each cluster
  int64_t count = 0;

  double variance(int64_t observations) const {
    const double g = static_cast<double>(count), n = static_cast<double>(observations);
    return count < 2 ? NAN : g / (g - 1) * sum_of_squares / (n * n);
  }
};

/// Groups deviations from `mean` by the block of their corpus token; `per_row` keeps the same block of different rows
/// apart.
Clusters by_block(std::span<const double> values, const Windows& w, double mean, bool per_row) {
  Clusters out;
  const int64_t last = ((w.rows - 1) * w.stride + w.offset + w.count - 1) / w.stride;
  std::vector<double> sum(per_row ? 0 : last + 1);
  std::vector<bool> seen(sum.size());
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t j = 0; j < w.count;) {
      const int64_t block = (r * w.stride + w.offset + j) / w.stride;
      const int64_t end = std::min(w.count, (block + 1) * w.stride - r * w.stride - w.offset);
      double deviation = 0;
      for (; j < end; ++j) deviation += values[r * w.count + j] - mean;
      if (per_row) {
        out.sum_of_squares += deviation * deviation;
        ++out.count;
      } else {
        sum[block] += deviation;
        seen[block] = true;
      }
    }
  }
  for (const double deviation : sum) out.sum_of_squares += deviation * deviation;
  out.count += std::count(seen.begin(), seen.end(), true);
  return out;
}

Clusters by_row(std::span<const double> values, const Windows& w, double mean) {
  Clusters out{0, w.rows};
  for (int64_t r = 0; r < w.rows; ++r) {
    double deviation = 0;
    for (const double x : values.subspan(r * w.count, w.count)) deviation += x - mean;
    out.sum_of_squares += deviation * deviation;
  }
  return out;
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

Estimate estimate(std::span<const double> values, const Windows& w, Clustering clustering) {
  ASSAY_CHECK(w.rows > 0 && w.count > 0 && w.stride > 0 && w.offset >= 0);
  ASSAY_CHECK(static_cast<int64_t>(values.size()) == w.observations());
  const int64_t n = w.observations();
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(n);

  if (clustering == Clustering::rows) {
    const Clusters rows = by_row(values, w, mean);
    return {mean, std::sqrt(rows.variance(n)), rows.count - 1};
  }
  const Clusters blocks = by_block(values, w, mean, false);
  if (clustering == Clustering::blocks) return {mean, std::sqrt(blocks.variance(n)), blocks.count - 1};

  const Clusters rows = by_row(values, w, mean);
  const Clusters cells = by_block(values, w, mean, true);
  const double variance = rows.variance(n) + blocks.variance(n) - cells.variance(n);
  return {mean, std::sqrt(variance < 0 ? 0.0 : variance), std::min(rows.count, blocks.count) - 1};
}

std::vector<double> row_means(std::span<const double> values, const Windows& w) {
  ASSAY_CHECK(static_cast<int64_t>(values.size()) == w.observations() && w.count > 0);
  std::vector<double> means;
  for (int64_t r = 0; r < w.rows; ++r) {
    const auto row = values.subspan(r * w.count, w.count);
    means.push_back(std::accumulate(row.begin(), row.end(), 0.0) / static_cast<double>(w.count));
  }
  return means;
}

}  // namespace assay

#include "stats/bootstrap.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/error.h"
#include "stats/percentile.h"

namespace assay {

namespace {

/// The n-th number of the SplitMix64 sequence of a seed (Steele, Lea & Flood 2014).
uint64_t random_bits(uint64_t seed, uint64_t n) {
  uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

struct Ranked {
  double value;
  int32_t cluster;
};

/// How often each cluster is in one line of the table.
void count_clusters(std::span<const int32_t> line, std::vector<int64_t>& times) {
  std::fill(times.begin(), times.end(), 0);
  for (const int32_t cluster : line) {
    ASSAY_CHECK(cluster >= 0 && cluster < static_cast<int32_t>(times.size()));
    ++times[cluster];
  }
}

/// Percentiles of `sorted` with each value taken as often as its cluster. Ascending q.
void weighted_percentiles(std::span<const Ranked> sorted, std::span<const int64_t> times, int64_t total,
                          std::span<const double> q, std::span<double> out) {
  size_t i = 0;
  int64_t before = 0;  // values in front of sorted[i], repetitions counted
  const auto advance_to = [&](int64_t place) {
    while (before + times[sorted[i].cluster] <= place) before += times[sorted[i++].cluster];
    return sorted[i].value;
  };
  for (size_t k = 0; k < q.size(); ++k) {
    const double position = static_cast<double>(total - 1) * q[k];
    const auto below = static_cast<int64_t>(position);
    const double low = advance_to(below);
    const auto start = std::pair(i, before);  // the next q may begin at the same value
    const double high = advance_to(std::min(below + 1, total - 1));
    std::tie(i, before) = start;
    out[k] = std::lerp(low, high, position - static_cast<double>(below));
  }
}

}  // namespace

BootstrapError bootstrap_error(std::vector<double> replicates) {
  const auto n = static_cast<double>(replicates.size());
  if (n < 2 || std::any_of(replicates.begin(), replicates.end(), [](double x) { return std::isnan(x); })) return {};
  const double mean = std::accumulate(replicates.begin(), replicates.end(), 0.0) / n;
  double squares = 0;
  for (const double x : replicates) squares += (x - mean) * (x - mean);
  std::sort(replicates.begin(), replicates.end());
  return {std::sqrt(squares / (n - 1)), {percentile(replicates, 0.025), percentile(replicates, 0.975)}};
}

std::vector<int32_t> bootstrap_rows(int64_t rows, int64_t resamples, uint64_t seed) {
  ASSAY_CHECK(rows > 0 && rows <= INT32_MAX && resamples >= 0);
  std::vector<int32_t> table(rows * resamples);
  // The upper 32 bits scaled to the range: a row's probability is off by less than rows / 2^32.
  for (size_t n = 0; n < table.size(); ++n)
    table[n] = static_cast<int32_t>((random_bits(seed, n) >> 32) * static_cast<uint64_t>(rows) >> 32);
  return table;
}

std::vector<double> bootstrap_means(std::span<const int32_t> table, std::span<const double> values, int64_t rows) {
  ASSAY_CHECK(rows > 0 && table.size() % rows == 0 && values.size() % rows == 0);
  const Windows windows{.rows = rows, .count = static_cast<int64_t>(values.size()) / rows};
  const ClusterSums sums = cluster_sums(values, windows, Clustering::rows);
  std::vector<double> out;
  for (size_t line = 0; line < table.size(); line += rows) {
    double sum = 0, count = 0;
    for (const int32_t row : table.subspan(line, rows)) {
      sum += sums.sum.at(row);
      count += static_cast<double>(sums.count.at(row));
    }
    out.push_back(count > 0 ? sum / count : NAN);
  }
  return out;
}

std::vector<std::vector<double>> bootstrap_percentiles(std::span<const int32_t> table, std::span<const double> values,
                                                       const ClusterIndex& index, std::span<const double> q) {
  ASSAY_CHECK(index.clusters > 0 && table.size() % index.clusters == 0 && values.size() == index.of.size());
  ASSAY_CHECK(std::is_sorted(q.begin(), q.end()));
  std::vector<Ranked> sorted;
  std::vector<int64_t> finite(index.clusters);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    sorted.push_back({values[i], index.of[i]});
    ++finite[index.of[i]];
  }
  std::sort(sorted.begin(), sorted.end(), [](const Ranked& a, const Ranked& b) { return a.value < b.value; });

  std::vector<std::vector<double>> out(q.size());
  std::vector<int64_t> times(index.clusters);
  std::vector<double> replicate(q.size());
  for (size_t line = 0; line < table.size(); line += index.clusters) {
    count_clusters(table.subspan(line, index.clusters), times);
    const int64_t total = std::inner_product(times.begin(), times.end(), finite.begin(), int64_t{0});
    if (total == 0) {
      std::fill(replicate.begin(), replicate.end(), NAN);
    } else {
      weighted_percentiles(sorted, times, total, q, replicate);
    }
    for (size_t k = 0; k < q.size(); ++k) out[k].push_back(replicate[k]);
  }
  return out;
}

}  // namespace assay

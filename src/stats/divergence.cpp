#include "stats/divergence.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/error.h"
#include "stats/percentile.h"

namespace assay {

namespace {

constexpr int64_t kCompareQRows = 10;
constexpr double kBucketEdges[] = {0, 0.25, 0.5, 0.75, 0.95, 1.01};

/// To the nearest binary16, ties to even; 0 <= x <= 1.
double round_to_half(float x) {
  constexpr int kLeastExponent = -14, kFractionBits = 10;
  if (!(x > 0)) return 0;
  const double quantum = std::ldexp(1.0, std::max(std::ilogb(x), kLeastExponent) - kFractionBits);
  return std::nearbyint(x / quantum) * quantum;
}

/// The first `windows.count` positions of each row as doubles; `value` is called with the index of a position.
template <class Value>
std::vector<double> targets(const TokenMeasures& m, const Windows& w, Value value) {
  std::vector<double> out;
  out.reserve(w.observations());
  for (int64_t r = 0; r < w.rows; ++r)
    for (int64_t j = 0; j < w.count; ++j) out.push_back(value(r * m.count + j));
  return out;
}

std::vector<double> finite_sorted(std::span<const double> values) {
  std::vector<double> out;
  std::copy_if(values.begin(), values.end(), std::back_inserter(out), [](double x) { return std::isfinite(x); });
  std::sort(out.begin(), out.end());
  return out;
}

double finite_mean(std::span<const double> values) {
  double sum = 0;
  int64_t count = 0;
  for (const double x : values) {
    if (!std::isfinite(x)) continue;
    sum += x;
    ++count;
  }
  return count == 0 ? NAN : sum / static_cast<double>(count);
}

/// Without the clusters that have no observation: they would make resamples of different sizes.
ClusterIndex occupied(ClusterIndex index) {
  std::vector<int32_t> number(index.clusters, -1);
  index.clusters = 0;
  for (int32_t& cluster : index.of) {
    if (number[cluster] < 0) number[cluster] = static_cast<int32_t>(index.clusters++);
    cluster = number[cluster];
  }
  return index;
}

void fill_quantiles(std::span<const double> kld, const ClusterIndex& index, Divergence& out) {
  const std::vector<double> sorted = finite_sorted(kld);
  if (sorted.empty()) return;
  std::vector<double> q;
  for (const QuantileKind& kind : kQuantiles) q.push_back(kind.q);
  auto replicates = bootstrap_percentiles(bootstrap_rows(index.clusters, kResamples, kBootstrapSeed), kld, index, q);
  for (size_t i = 0; i < q.size(); ++i) {
    out.quantiles[i].value = percentile(sorted, q[i]);
    if (index.clusters > 1) out.quantiles[i].error = bootstrap_error(std::move(replicates[i]));
  }
  out.median_lower = median_lower(sorted);
  out.max = sorted.back();
}

std::vector<WorstToken> worst_tokens(std::span<const double> kld, int64_t count) {
  std::vector<WorstToken> all;
  for (size_t i = 0; i < kld.size(); ++i)
    if (std::isfinite(kld[i]))
      all.push_back({static_cast<int64_t>(i) / count, static_cast<int64_t>(i) % count, kld[i]});
  const auto kept = std::min<size_t>(kWorstTokens, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(),
                    [](const WorstToken& a, const WorstToken& b) {
                      return std::tie(b.kld, a.row, a.position) < std::tie(a.kld, b.row, b.position);
                    });
  all.resize(kept);
  return all;
}

double root_mean_square(std::span<const double> values) {
  std::vector<double> squares;
  for (const double x : values) squares.push_back(x * x);
  return std::sqrt(finite_mean(squares));
}

}  // namespace

std::vector<ConfidenceBucket> confidence_buckets(std::span<const double> kld, std::span<const float> confidence) {
  ASSAY_CHECK(kld.size() == confidence.size());
  std::vector<std::vector<double>> values(std::size(kBucketEdges) - 1);
  int64_t total = 0;
  for (size_t i = 0; i < kld.size(); ++i) {
    if (!std::isfinite(kld[i])) continue;
    ++total;
    const double c = round_to_half(confidence[i]);
    // In float32 as qbench compares: the half nearest to 0.95 lies above that edge.
    for (size_t b = 0; b < values.size(); ++b)
      if (c >= static_cast<float>(kBucketEdges[b]) && c < static_cast<float>(kBucketEdges[b + 1]))
        values[b].push_back(kld[i]);
  }
  std::vector<ConfidenceBucket> out;
  for (size_t b = 0; b < values.size(); ++b) {
    ConfidenceBucket bucket{.low = kBucketEdges[b], .high = kBucketEdges[b + 1]};
    bucket.tokens = static_cast<int64_t>(values[b].size());
    if (total > 0) bucket.share = static_cast<double>(bucket.tokens) / static_cast<double>(total);
    if (bucket.tokens > 0) {
      bucket.mean = finite_mean(values[b]);
      std::sort(values[b].begin(), values[b].end());
      bucket.median = percentile(values[b], 0.5);
      bucket.median_lower = median_lower(values[b]);
    }
    out.push_back(bucket);
  }
  return out;
}

Agreement agreement(const TokenMeasures& m, const Windows& w, Clustering clustering) {
  const auto mean = [&](auto value) { return estimate(targets(m, w, value), w, clustering); };
  const auto within = [&](int places) {
    return mean([&m, places](int64_t i) { return m.reference_top_rank[i] < places ? 1.0 : 0.0; });
  };
  Agreement out;
  out.top1 = within(1);
  out.top5 = within(5);
  out.top10 = within(10);
  out.top5_common = mean([&](int64_t i) { return m.top5_common[i] / 5.0; });
  out.top10_common = mean([&](int64_t i) { return m.top10_common[i] / 10.0; });
  out.top5_ordered = mean([&](int64_t i) { return m.top5_equal[i] ? 1.0 : 0.0; });
  out.rank = mean([&](int64_t i) { return m.reference_top_rank[i] + 1.0; });
  return out;
}

int common_ids(std::span<const int32_t> a, std::span<const int32_t> b) {
  return static_cast<int>(
      std::count_if(a.begin(), a.end(), [&](int32_t id) { return std::find(b.begin(), b.end(), id) != b.end(); }));
}

const Quantile& Divergence::quantile(std::string_view name) const {
  for (size_t i = 0; i < kQuantiles.size(); ++i)
    if (name == kQuantiles[i].name) return quantiles[i];
  check_failed(__FILE__, __LINE__, "known quantile");
}

Divergence summarize(const TokenMeasures& m, const Windows& w, Clustering clustering) {
  const size_t positions = m.rows * m.count;
  ASSAY_CHECK(m.rows == w.rows && w.count > 0 && w.count <= m.count);
  ASSAY_CHECK(m.kld.size() == positions && m.reverse_kld.size() == positions &&
              m.reference_confidence.size() == positions && m.reference_top_rank.size() == positions &&
              m.target_difference.size() == positions && m.top5_common.size() == positions &&
              m.top10_common.size() == positions && m.top5_equal.size() == positions &&
              (m.jensen_shannon.empty() || m.jensen_shannon.size() == positions));
  const std::vector<double> kld = targets(m, w, [&](int64_t i) { return m.kld[i]; });
  Divergence out;
  out.clusters = cluster_sums(kld, w, clustering);
  out.kld = estimate(kld, w, clustering);
  out.row_mean = row_means(kld, w);
  fill_quantiles(kld, occupied(cluster_index(w, clustering)), out);
  out.compare_q = finite_mean(std::span(m.kld).first(std::min(m.rows, kCompareQRows) * m.count));
  out.reverse = estimate(targets(m, w, [&](int64_t i) { return m.reverse_kld[i]; }), w, clustering);
  if (!m.jensen_shannon.empty())
    out.jensen_shannon = estimate(targets(m, w, [&](int64_t i) { return m.jensen_shannon[i]; }), w, clustering);
  const std::vector<double> difference = targets(m, w, [&](int64_t i) { return m.target_difference[i]; });
  out.target_difference = estimate(difference, w, clustering);
  out.target_difference_rms = root_mean_square(difference);
  std::vector<float> confidence;
  for (int64_t r = 0; r < w.rows; ++r)
    confidence.insert(confidence.end(), m.reference_confidence.begin() + r * m.count,
                      m.reference_confidence.begin() + r * m.count + w.count);
  out.buckets = confidence_buckets(kld, confidence);
  out.agreement = agreement(m, w, clustering);
  const auto finite = std::count_if(kld.begin(), kld.end(), [](double x) { return std::isfinite(x); });
  out.nonfinite_share = 1 - static_cast<double>(finite) / static_cast<double>(kld.size());
  out.histogram.add(kld);
  out.worst = worst_tokens(kld, w.count);
  return out;
}

}  // namespace assay

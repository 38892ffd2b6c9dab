#include "stats/divergence.h"

#include <algorithm>
#include <numeric>

#include "stats/arrays.h"
#include "stats/paired.h"

namespace assay {
namespace {

using test::array;
using test::expect_close;
using test::golden;
using test::kWindows;

/// The measures of one of the golden models, as far as the goldens know them.
TokenMeasures measures(const std::string& model) {
  TokenMeasures m{.rows = kWindows.rows, .count = kWindows.count};
  m.kld = array("kld_" + model);
  const std::vector<double> confidence = array("ref_conf");
  m.reference_confidence.assign(confidence.begin(), confidence.end());
  m.reverse_kld.resize(m.kld.size());
  m.target_difference.resize(m.kld.size());
  m.top10_common.resize(m.kld.size());
  // top5_ref is stored as [5, rows, count], whatever its header says: only so do the golden shares come out.
  const auto reference = array<int16_t>("top5_ref"), other = array<int16_t>("top5_" + model);
  const size_t n = m.kld.size();
  for (size_t i = 0; i < n; ++i) {
    std::vector<int32_t> a, b;
    for (size_t k = 0; k < 5; ++k) {
      a.push_back(reference[k * n + i]);
      b.push_back(other[5 * i + k]);
    }
    m.reference_top_rank.push_back(static_cast<int32_t>(std::find(b.begin(), b.end(), a[0]) - b.begin()));
    m.top5_common.push_back(static_cast<uint8_t>(common_ids(a, b)));
    m.top5_equal.push_back(a == b);
  }
  return m;
}

void expect_estimate(const Estimate& actual, const Json& expected, const std::string& clusters) {
  expect_close(actual.mean, expected["mean"]);
  expect_close(actual.se, expected["se"][clusters]);
}

TEST(Divergence, ReproducesTheGoldens) {
  ASSAY_REQUIRE_FIXTURES();
  for (const std::string model : {"a", "b"}) {
    SCOPED_TRACE(model);
    const Divergence d = summarize(measures(model), kWindows, Clustering::blocks);
    const Json& expected = golden()["kld"][model];
    expect_estimate(d.kld, expected, "block_cluster");
    expect_close(d.quantile("median").value, expected["percentiles_linear"]["50"]);
    expect_close(d.quantile("p99").value, expected["percentiles_linear"]["99"]);
    expect_close(d.quantile("p999").value, expected["percentiles_linear"]["99.9"]);
    expect_close(d.max, expected["percentiles_linear"]["100"]);
    expect_close(d.median_lower, expected["median_lower"]);
    for (size_t r = 0; r < d.row_mean.size(); ++r) expect_close(d.row_mean[r], expected["row_means"][r]);
    EXPECT_EQ(d.nonfinite_share, 0);
    EXPECT_EQ(d.histogram.total(), kWindows.observations());
  }
}

TEST(Agreement, ReproducesTheGoldens) {
  ASSAY_REQUIRE_FIXTURES();
  for (const std::string model : {"a", "b"}) {
    const Json& expected = golden()["top_agreement"][model];
    for (const auto& [clustering, name] : {std::pair{Clustering::rows, "row_cluster"},
                                           {Clustering::blocks, "block_cluster"},
                                           {Clustering::rows_and_blocks, "two_way_row_and_block"}}) {
      SCOPED_TRACE(model + " " + name);
      const Agreement a = agreement(measures(model), kWindows, clustering);
      expect_estimate(a.top1, expected["top1"], name);
      expect_estimate(a.top5, expected["ref_top1_in_model_top5"], name);
      expect_estimate(a.top5_common, expected["top5_overlap_mean_share"], name);
      expect_estimate(a.top5_ordered, expected["top5_ordered_list_equal"], name);
    }
  }
}

TEST(ConfidenceBuckets, ReproduceTheGoldens) {
  ASSAY_REQUIRE_FIXTURES();
  for (const std::string model : {"a", "b"}) {
    const TokenMeasures m = measures(model);
    const std::vector<ConfidenceBucket> buckets = confidence_buckets(m.kld, m.reference_confidence);
    const Json& expected = golden()["kld_buckets_by_ref_conf"][model];
    ASSERT_EQ(buckets.size(), expected.size());
    for (size_t i = 0; i < buckets.size(); ++i) {
      EXPECT_EQ(buckets[i].tokens, expected[i]["tokens"]) << i;
      expect_close(buckets[i].share, expected[i]["share"]);
      expect_close(buckets[i].mean, expected[i]["mean"]);
      expect_close(buckets[i].median, expected[i]["median_linear"]);
      expect_close(buckets[i].median_lower, expected[i]["median_lower"]);
    }
  }
}

void expect_replicates(const std::vector<double>& actual, const std::string& name) {
  SCOPED_TRACE(name);
  const Json& expected = golden()["bootstrap_rows_B1000"][name];
  for (size_t i = 0; i < expected["first5"].size(); ++i) expect_close(actual[i], expected["first5"][i]);
  const BootstrapError error = bootstrap_error(actual);
  expect_close(std::accumulate(actual.begin(), actual.end(), 0.0) / static_cast<double>(actual.size()),
               expected["mean"]);
  expect_close(error.se, expected["se_ddof1"]);
  expect_close(error.interval.low, expected["interval95_percentile_linear"][0]);
  expect_close(error.interval.high, expected["interval95_percentile_linear"][1]);
}

TEST(Bootstrap, ReproducesTheGoldensWithTheirResamples) {
  ASSAY_REQUIRE_FIXTURES();
  const auto table =
      array<int32_t>(Checkpoint::open(test::fixtures() / "stats/bootstrap_rows.safetensors").tensors().begin()->first,
                     "bootstrap_rows");
  std::vector<double> nll_a = array("nll_a");
  std::vector<double> ppl = bootstrap_means(table, nll_a, kWindows.rows);
  for (double& x : ppl) x = std::exp(x);
  expect_replicates(ppl, "ppl_a");
  const std::vector<double> nll_b = array("nll_b"), kld = array("kld_a");
  for (size_t i = 0; i < nll_a.size(); ++i) nll_a[i] -= nll_b[i];
  expect_replicates(bootstrap_means(table, nll_a, kWindows.rows), "mean_nll_a_minus_b");
  expect_replicates(bootstrap_means(table, kld, kWindows.rows), "kld_a_mean");
  const double q[] = {0.5, 0.99, 0.999};
  const auto percentiles = bootstrap_percentiles(table, kld, cluster_index(kWindows, Clustering::rows), q);
  expect_replicates(percentiles[0], "kld_a_median");
  expect_replicates(percentiles[1], "kld_a_p99");
  expect_replicates(percentiles[2], "kld_a_p999");
}

TEST(Bootstrap, DrawsTheSameRowsAgainAndAllOfThemAlike) {
  const std::vector<int32_t> table = bootstrap_rows(20, 1000, 7);
  EXPECT_EQ(table, bootstrap_rows(20, 1000, 7));
  EXPECT_NE(table, bootstrap_rows(20, 1000, 8));
  std::vector<int> times(20);
  for (const int32_t row : table) ++times.at(row);
  // 1000 expected; six standard deviations of a binomial are 6 * sqrt(20000 * 0.05 * 0.95) = 185.
  for (const int n : times) EXPECT_NEAR(n, 1000, 185);
}

TEST(Bootstrap, OwnResamplesAgreeWithTheGoldenError) {
  ASSAY_REQUIRE_FIXTURES();
  const Divergence d = summarize(measures("a"), kWindows, Clustering::rows);
  const Json& expected = golden()["bootstrap_rows_B1000"]["kld_a_p99"];
  // A standard error from 1000 replicates is itself uncertain by 1 / sqrt(2000) = 2.2%; of two, six times 3.2%.
  EXPECT_NEAR(d.quantile("p99").error.se / expected["se_ddof1"].get<double>(), 1, 0.19);
}

TEST(Bootstrap, CountsTextThatRowsShareOnce) {
  // One value for each of 402 stretches of text: read by two rows each, or by one.
  constexpr Windows kShared{.rows = 401, .count = 2, .length = 3, .stride = 1};
  constexpr Windows kOnce{.rows = 402, .count = 1, .length = 2, .stride = 2};
  const auto measures_of = [](const Windows& w) {
    TokenMeasures m{.rows = w.rows, .count = w.count};
    for (int64_t r = 0; r < w.rows; ++r)
      for (int64_t j = 0; j < w.count; ++j) m.kld.push_back(static_cast<double>((r + j) * 7919 % 402));
    m.reverse_kld = m.kld;
    m.reference_confidence.resize(m.kld.size());
    m.reference_top_rank.resize(m.kld.size());
    m.target_difference.resize(m.kld.size());
    m.top5_common = m.top10_common = m.top5_equal = std::vector<uint8_t>(m.kld.size());
    return m;
  };
  const double shared = summarize(measures_of(kShared), kShared, Clustering::blocks).quantile("median").error.se;
  const double once = summarize(measures_of(kOnce), kOnce, Clustering::rows).quantile("median").error.se;
  // Each error is uncertain by 2.2%, as above; rows as clusters would make it smaller by a third.
  EXPECT_NEAR(shared / once, 1, 0.19);
}

TokenMeasures small_measures() {
  const std::vector<double> kld = {0.5, NAN, 2, 0.25, 1, 8};  // [2, 3], the third of a row predicts nothing
  TokenMeasures m{.rows = 2, .count = 3, .kld = kld, .reverse_kld = kld};
  m.reference_confidence = {0.1F, 0.5F, 0.9F, 0.95F, 1.0F, 0.2F};
  m.reference_top_rank = {0, 1, 9, 4, 7, 0};
  m.target_difference = {0.5F, -0.5F, 9, 0.5F, 0.5F, 9};
  m.top5_common = {5, 4, 3, 2, 1, 0};
  m.top10_common = {10, 8, 6, 4, 2, 0};
  m.top5_equal = {1, 0, 1, 0, 0, 1};
  return m;
}
constexpr Windows kSmall{.rows = 2, .count = 2, .length = 3, .stride = 3, .offset = 1};

TEST(Divergence, LeavesOutPositionsThatPredictNothingExceptInCompareQsNumber) {
  const Divergence d = summarize(small_measures(), kSmall, Clustering::rows);
  EXPECT_DOUBLE_EQ(d.kld.mean, (0.5 + 0.25 + 1) / 3);
  EXPECT_DOUBLE_EQ(d.compare_q, (0.5 + 2 + 0.25 + 1 + 8) / 5);
  EXPECT_DOUBLE_EQ(d.max, 1);
  EXPECT_DOUBLE_EQ(d.target_difference.mean, 0.25);
  EXPECT_DOUBLE_EQ(d.target_difference_rms, 0.5);
  EXPECT_DOUBLE_EQ(d.agreement.top1.mean, 0.25);
  EXPECT_DOUBLE_EQ(d.agreement.top5.mean, 0.75);
  EXPECT_DOUBLE_EQ(d.agreement.top10.mean, 1);
  EXPECT_DOUBLE_EQ(d.agreement.top5_common.mean, 12.0 / 20);
  EXPECT_DOUBLE_EQ(d.agreement.top5_ordered.mean, 0.25);
  EXPECT_DOUBLE_EQ(d.agreement.rank.mean, (1 + 2 + 5 + 8) / 4.0);
  EXPECT_TRUE(std::isnan(d.jensen_shannon.mean));
}

TEST(Divergence, ReportsHowManyPositionsHaveNoKld) {
  EXPECT_DOUBLE_EQ(summarize(small_measures(), kSmall, Clustering::rows).nonfinite_share, 0.25);
}

TEST(Divergence, ListsTheWorstTokensFirst) {
  const Divergence d = summarize(small_measures(), kSmall, Clustering::rows);
  ASSERT_EQ(d.worst.size(), 3U);
  EXPECT_EQ(d.worst[0].row, 1);
  EXPECT_EQ(d.worst[0].position, 1);
  EXPECT_EQ(d.worst[0].kld, 1);
  EXPECT_EQ(d.worst[2].kld, 0.25);
}

TEST(Divergence, SurvivesAModelThatIsNotANumberAnywhere) {
  TokenMeasures m = small_measures();
  std::fill(m.kld.begin(), m.kld.end(), NAN);
  const Divergence d = summarize(m, kSmall, Clustering::rows);
  EXPECT_EQ(d.nonfinite_share, 1);
  EXPECT_TRUE(std::isnan(d.kld.mean));
  EXPECT_TRUE(std::isnan(d.quantile("median").value));
  EXPECT_TRUE(d.worst.empty());
}

TEST(LogHistogram, CountsEveryFiniteValueOnce) {
  LogHistogram h;
  const std::vector<double> values = {0, -1e-9, 1e-11, 1e-10, 0.1, 99, 100, 1e9, NAN, INFINITY};
  h.add(values);
  EXPECT_EQ(h.below, 3);
  EXPECT_EQ(h.above, 2);
  EXPECT_EQ(h.counts[0], 1);
  EXPECT_EQ(h.total(), 8);
  EXPECT_DOUBLE_EQ(LogHistogram::edge(0), -10);
  EXPECT_DOUBLE_EQ(LogHistogram::edge(LogHistogram::kBins), 2);
}

}  // namespace
}  // namespace assay

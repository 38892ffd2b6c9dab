#include "stats/arrays.h"
#include "stats/paired.h"
#include "stats/percentile.h"
#include "stats/perplexity.h"
#include "stats/student_t.h"

namespace assay {
namespace {

using test::array;
using test::expect_close;
using test::golden;
using test::kWindows;

void expect_interval(const Interval& actual, const Json& expected) {
  expect_close(actual.low, expected[0]);
  expect_close(actual.high, expected[1]);
}

void expect_estimates(const std::vector<double>& values, const Json& expected) {
  const std::pair<Clustering, std::string> kinds[] = {{Clustering::rows, "row_cluster"},
                                                      {Clustering::blocks, "block_cluster"},
                                                      {Clustering::rows_and_blocks, "two_way_row_and_block"}};
  for (const auto& [clustering, name] : kinds) {
    SCOPED_TRACE(name);
    const Estimate e = estimate(values, kWindows, clustering);
    expect_close(e.mean, expected["mean"]);
    expect_close(e.se, expected["se"][name]);
    EXPECT_EQ(e.df, expected[name + "_df"]);
    expect_interval(e.interval(), expected[name + "_t_interval95"]);
    expect_close(e.p_value(), expected[name + "_p_two_sided"], 1e-7);
  }
}

TEST(Estimate, ReproducesTheGoldenErrorsOfEveryClustering) {
  ASSAY_REQUIRE_FIXTURES();
  for (const std::string model : {"ref", "a", "b"}) {
    SCOPED_TRACE(model);
    expect_estimates(array("nll_" + model), golden()["nll"][model]);
  }
  for (const std::string model : {"a", "b"}) expect_estimates(array("kld_" + model), golden()["kld"][model]);
}

TEST(Estimate, ClustersByBlocksOnlyWhereRowsShareText) {
  EXPECT_EQ(default_clustering(kWindows), Clustering::blocks);
  EXPECT_EQ(default_clustering({.rows = 2, .count = 7, .length = 8, .stride = 8}), Clustering::rows);
  EXPECT_EQ(default_clustering({.rows = 2, .count = 7, .length = 8, .stride = 9}), Clustering::rows);
}

TEST(Estimate, HasNoErrorWithOneCluster) {
  const std::vector<double> values = {1, 2, 3};
  const Estimate e = estimate(values, {.rows = 1, .count = 3, .length = 4, .stride = 4, .offset = 1});
  EXPECT_DOUBLE_EQ(e.mean, 2);
  EXPECT_TRUE(std::isnan(e.se));
  EXPECT_TRUE(std::isnan(e.interval().low));
  EXPECT_TRUE(std::isnan(e.p_value()));
}

TEST(Estimate, SkipsBlocksThatNoRowScores) {
  // Rows of 2 scored tokens, 4 apart, begin in every other pair: with stride > length there is nothing between them.
  const std::vector<double> values = {1, 2, 5, 7};
  const Windows w{.rows = 2, .count = 2, .length = 3, .stride = 10, .offset = 1};
  expect_close(estimate(values, w, Clustering::blocks).se, estimate(values, w, Clustering::rows).se);
}

TEST(Perplexity, ReproducesTheGoldens) {
  ASSAY_REQUIRE_FIXTURES();
  for (const std::string model : {"ref", "a", "b"}) {
    const Json& expected = golden()["nll"][model];
    const Perplexity rows = perplexity(array("nll_" + model), kWindows, Clustering::rows);
    expect_close(rows.ppl, expected["ppl"]);
    expect_close(rows.ppl_se, expected["ppl_se_delta"]["row_cluster"]);
    expect_interval(rows.interval(), expected["ppl_interval95_row_cluster"]);
    ASSERT_EQ(rows.row_nll.size(), expected["row_means"].size());
    for (size_t r = 0; r < rows.row_nll.size(); ++r) expect_close(rows.row_nll[r], expected["row_means"][r]);
    expect_close(perplexity(array("nll_" + model), kWindows).ppl_se, expected["ppl_se_delta"]["block_cluster"]);
  }
}

TEST(Paired, ReproducesTheGoldens) {
  ASSAY_REQUIRE_FIXTURES();
  for (const auto& [a, b, key] : {std::tuple{"nll_a", "nll_ref", "a_minus_ref"},
                                  {"nll_b", "nll_ref", "b_minus_ref"},
                                  {"nll_a", "nll_b", "a_minus_b"}}) {
    SCOPED_TRACE(key);
    const Json& expected = golden()["paired_nll"][key];
    const PairedComparison pair = compare_paired(array(a), array(b), kWindows, Clustering::rows);
    std::vector<double> difference = array(a);
    const std::vector<double> other = array(b);
    for (size_t i = 0; i < difference.size(); ++i) difference[i] -= other[i];
    expect_estimates(difference, expected);
    expect_close(pair.difference.se, expected["se"]["row_cluster"]);
    expect_close(std::exp(pair.difference.mean), expected["ppl_ratio"]);
    const Interval interval = pair.difference.interval();
    expect_interval({std::exp(interval.low), std::exp(interval.high)}, expected["ppl_ratio_interval95_row_cluster"]);
    EXPECT_EQ(pair.rows.positive, expected["sign_test"]["rows_positive"]);
    EXPECT_EQ(pair.rows.nonzero, expected["sign_test"]["rows_nonzero"]);
    expect_close(pair.rows.p, expected["sign_test"]["rows_p_two_sided"], 1e-7);
    EXPECT_FALSE(pair.indistinguishable());
  }
}

TEST(Paired, ReproducesTheGoldenOfKld) {
  ASSAY_REQUIRE_FIXTURES();
  const Json& expected = golden()["paired_kld_a_minus_b"];
  const PairedComparison pair = compare_paired(array("kld_a"), array("kld_b"), kWindows, Clustering::rows_and_blocks);
  expect_close(pair.difference.mean, expected["mean"]);
  expect_close(pair.difference.se, expected["se"]["two_way_row_and_block"]);
  expect_interval(pair.difference.interval(), expected["two_way_row_and_block_t_interval95"]);
  EXPECT_EQ(pair.rows.positive, expected["sign_test"]["rows_positive"]);
}

TEST(Paired, NeedsOnlyTheSumsOfClusters) {
  ASSAY_REQUIRE_FIXTURES();
  const Json& expected = golden()["paired_nll"]["a_minus_b"];
  for (const auto& [clustering, name] :
       {std::pair{Clustering::rows, "row_cluster"}, {Clustering::blocks, "block_cluster"}}) {
    const auto difference = compare_paired(cluster_sums(array("nll_a"), kWindows, clustering),
                                           cluster_sums(array("nll_b"), kWindows, clustering));
    ASSERT_TRUE(difference);
    expect_close(difference->mean, expected["mean"]);
    expect_close(difference->se, expected["se"][name]);
  }
}

TEST(Paired, RefusesSumsOverOtherTokens) {
  const ClusterSums a{{1, 2}, {10, 10}}, b{{1, 2}, {10, 9}}, c{{3}, {20}};
  EXPECT_FALSE(compare_paired(a, b));
  EXPECT_FALSE(compare_paired(a, c));
  EXPECT_FALSE(compare_paired(ClusterSums{}, ClusterSums{}));
}

TEST(ClusterSums, LeaveOutWhatIsNotFinite) {
  const std::vector<double> values = {1, NAN, 3, INFINITY, NAN, NAN};
  const Windows w{.rows = 3, .count = 2, .length = 3, .stride = 3, .offset = 1};
  const ClusterSums sums = cluster_sums(values, w, Clustering::rows);
  EXPECT_EQ(sums.sum, (std::vector<double>{1, 3, 0}));
  EXPECT_EQ(sums.count, (std::vector<int64_t>{1, 1, 0}));
  const Estimate e = estimate(sums);
  EXPECT_EQ(e.mean, 2);
  EXPECT_EQ(e.df, 1);  // the row without a value is no cluster
  EXPECT_TRUE(std::isnan(row_means(values, w)[2]));
}

TEST(Paired, AModelIsIndistinguishableFromItself) {
  const std::vector<double> nll = {1, 2, 3, 4};
  const PairedComparison pair =
      compare_paired(nll, nll, {.rows = 2, .count = 2, .length = 3, .stride = 3, .offset = 1}, Clustering::rows);
  EXPECT_TRUE(pair.indistinguishable());
  EXPECT_EQ(pair.rows.nonzero, 0);
  EXPECT_EQ(pair.rows.p, 1);
}

TEST(SignTest, ReproducesTheGoldenOverTokens) {
  ASSAY_REQUIRE_FIXTURES();
  const std::vector<double> a = array("nll_a"), ref = array("nll_ref");
  std::vector<double> difference(a.size());
  for (size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - ref[i];
  const SignTest test = sign_test(difference);
  const Json& expected = golden()["paired_nll"]["a_minus_ref"]["sign_test"];
  EXPECT_EQ(test.positive, expected["tokens_positive"]);
  EXPECT_EQ(test.nonzero, expected["tokens_nonzero"]);
  expect_close(test.p, expected["tokens_p_two_sided_exact_binomial"], 1e-7);
}

TEST(SignTest, DropsZeros) {
  const std::vector<double> values = {1, 0, 1, 0, -1, 1, 1};
  const SignTest test = sign_test(values);
  EXPECT_EQ(test.positive, 4);
  EXPECT_EQ(test.nonzero, 5);
  EXPECT_NEAR(test.p, 2.0 * (1 + 5) / 32, 1e-14);
}

TEST(Percentile, ReproducesTheGoldens) {
  ASSAY_REQUIRE_FIXTURES();
  for (const std::string model : {"a", "b"}) {
    std::vector<double> kld = array("kld_" + model);
    std::sort(kld.begin(), kld.end());
    const Json& expected = golden()["kld"][model];
    for (const auto& [q, value] : expected["percentiles_linear"].items())
      expect_close(percentile(kld, std::stod(q) / 100), value);
    expect_close(median_lower(kld), expected["median_lower"]);
  }
}

TEST(StudentT, ReproducesTheGoldens) {
  ASSAY_REQUIRE_FIXTURES();
  for (const auto& [df, quantile] : golden()["t_quantiles_975"].items())
    expect_close(t_quantile(0.975, std::stoll(df)), quantile);
  for (const Json& spot : golden()["t_two_sided_p"])
    expect_close(t_two_sided_p(spot["t"], spot["df"]), spot["p"], 1e-7);
}

TEST(StudentT, KnowsItsLimits) {
  EXPECT_EQ(t_two_sided_p(0, 5), 1);
  EXPECT_EQ(t_two_sided_p(INFINITY, 5), 0);
  EXPECT_TRUE(std::isnan(t_two_sided_p(NAN, 5)));
  EXPECT_EQ(t_quantile(0.5, 5), 0);
}

}  // namespace
}  // namespace assay

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "stats/paired.h"
#include "stats/percentile.h"
#include "stats/perplexity.h"
#include "stats/student_t.h"
#include "support/support.h"

namespace assay {
namespace {

constexpr Windows kWindows{.rows = 20, .count = 2047, .length = 2048, .stride = 512, .offset = 1};

void expect_close(double actual, double expected, double tolerance = 1e-9) {
  EXPECT_NEAR(actual, expected, std::abs(expected) * tolerance);
}

std::vector<double> array(const std::string& name) {
  const Checkpoint arrays = Checkpoint::open(test::fixtures() / "stats/arrays.safetensors");
  const std::vector<std::byte> bytes = arrays.read(arrays.at(name));
  std::vector<double> values(bytes.size() / sizeof(double));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

const Json& golden() {
  static const Json json = read_json(test::fixtures() / "stats/expected.json");
  return json;
}

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
    expect_close(pair.difference.se, expected["se"]["row_cluster"]);
    expect_close(std::exp(pair.difference.mean), expected["ppl_ratio"]);
    EXPECT_EQ(pair.rows.positive, expected["sign_test"]["rows_positive"]);
    EXPECT_EQ(pair.rows.nonzero, expected["sign_test"]["rows_nonzero"]);
    expect_close(pair.rows.p, expected["sign_test"]["rows_p_two_sided"], 1e-7);
    EXPECT_FALSE(pair.indistinguishable());
  }
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

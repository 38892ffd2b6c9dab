#include "report/merge.h"

#include "report/chart_cases.h"
#include "report/pairs.h"
#include "support/errors.h"
#include "support/support.h"

namespace assay {
namespace {

using test::chart_model;

Result run_of(std::vector<ModelResult> models) {
  Result result = test::sample_result();
  result.models = std::move(models);
  return result;
}

ModelResult reference() {
  ModelResult model = chart_model("HF", 16, 2.2, 0);
  model.role = ModelRole::reference;
  return model;
}

TEST(Merge, JoinsModelsWithTheReferenceFirstAndOnce) {
  const Result merged = merge_results({{"a.json", run_of({chart_model("A 4bit", 4, 2.3, 0.1)})},
                                       {"b.json", run_of({reference(), chart_model("B 4bit", 4, 2.25, 0.05)})},
                                       {"c.json", run_of({reference(), chart_model("A 4bit", 4, 2.3, 0.1)})}});
  ASSERT_EQ(merged.models.size(), 3U);
  EXPECT_EQ(merged.models[0].label, "HF");
  EXPECT_EQ(merged.models[1].label, "A 4bit");
  EXPECT_EQ(merged.models[2].label, "B 4bit");
}

TEST(Merge, ComparesModelsOfDifferentRuns) {
  const Result merged =
      merge_results({{"a", run_of({chart_model("A", 4, 2.3, 0.1)})}, {"b", run_of({chart_model("B", 4, 2.25, 0.05)})}});
  const ModelPair pair = compare_models(merged, 0, 1);
  ASSERT_TRUE(pair.nll && pair.kld);
  EXPECT_NEAR(pair.nll->mean, 0.05, 1e-12);
}

TEST(Merge, KeepsTheRecordThatKnowsMore) {
  ModelResult failed = chart_model("A", 4, 2.3, 0);
  failed.measured.reset();
  failed.error = "out of disk";
  const Result merged = merge_results({{"a", run_of({failed})},
                                       {"b", run_of({chart_model("A", 4, 2.3, 0)})},
                                       {"c", run_of({chart_model("A", 4, 2.3, 0.1)})}});
  ASSERT_EQ(merged.models.size(), 1U);
  EXPECT_TRUE(merged.models[0].has_comparison());
}

TEST(Merge, KeepsBothWhereTheNumbersDiffer) {
  EXPECT_EQ(merge_results({{"a", run_of({chart_model("A", 4, 2.3, 0)})}, {"b", run_of({chart_model("A", 4, 2.4, 0)})}})
                .models.size(),
            2U);
}

TEST(Merge, RefusesOtherTokensAndOtherProtocols) {
  const auto message = [](auto change) {
    Result other = run_of({chart_model("B", 4, 2.25, 0)});
    change(other.data);
    return test::error_of([&] {
      merge_results({{"a.json", run_of({chart_model("A", 4, 2.3, 0)})}, {"b.json", other}});
    });
  };
  test::expect_contains(message([](DataRecord& d) { d.tokens_sha256 = "beef"; }),
                        "hash of the token ids is dd54 in the "
                        "first and beef in the second");
  test::expect_contains(message([](DataRecord& d) { d.stride = 128; }),
                        "a.json and b.json cannot be merged: the stride");
  test::expect_contains(message([](DataRecord& d) { d.protocol = "P3"; }), "protocol");
  test::expect_contains(message([](DataRecord& d) { d.first_scored = 5; }), "first scored position");
}

TEST(Merge, RefusesAnotherReference) {
  ModelResult other = chart_model("B", 4, 2.25, 0.1);
  other.measured->comparison->reference_content = "cafe";
  test::expect_contains(test::error_of([&] {
                          merge_results({{"a", run_of({chart_model("A", 4, 2.3, 0.1)})}, {"b", run_of({other})}});
                        }),
                        "cafe");
  ModelResult reference_too = reference();
  reference_too.measured->mean_nll = 3;
  test::expect_contains(test::error_of([&] {
                          merge_results({{"a", run_of({reference()})}, {"b", run_of({reference_too})}});
                        }),
                        "reference");
}

TEST(Places, AreSharedByModelsThatCannotBeToldApart) {
  ModelResult a = chart_model("A", 4, 2.2, 0), b = chart_model("B", 4, 2.2001, 0), c = chart_model("C", 4, 2.5, 0);
  b.measured->clusters.sum[0] += 3;  // the difference varies more than its mean
  const Result result = run_of({c, b, a});
  EXPECT_EQ(places(result, Measure::nll), (std::vector<int>{3, 1, 1}));
  EXPECT_EQ(places(result, Measure::kld), (std::vector<int>{0, 0, 0}));
}

TEST(Pairs, OfASingleClusterCannotBeToldApart) {
  Result result = test::sample_result();
  result.models.resize(2);
  for (ModelResult& model : result.models) model.measured->clusters = {{600}, {200}};
  result.models[1].measured->clusters.sum[0] += 50;
  result.models[1].measured->mean_nll += 0.25;
  EXPECT_TRUE(ModelPair::indistinguishable(compare_models(result, 0, 1).nll));
  EXPECT_EQ(places(result, Measure::nll), (std::vector<int>{1, 1}));
}

TEST(Pairs, CountSignsOfClustersAndNotOfRowsThatOverlap) {
  Result result = test::sample_result();
  result.models.resize(2);
  result.models[0].measured->clusters = {{10, 20, 0, 30}, {10, 10, 0, 10}};
  result.models[1].measured->clusters = {{11, 20, 0, 29}, {10, 10, 0, 10}};
  const ModelPair pair = compare_models(result, 0, 1);
  EXPECT_EQ(pair.nll_signs.positive, 1);
  EXPECT_EQ(pair.nll_signs.nonzero, 2);
  EXPECT_EQ(pair.nll_signs.p, 1);
}

}  // namespace
}  // namespace assay

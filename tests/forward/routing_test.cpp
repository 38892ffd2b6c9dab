#include "forward/routing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace assay {
namespace {

RoutingSpec spec_of(RoutingSpec::Scores scores, int64_t top_k) {
  RoutingSpec spec;
  spec.scores = scores;
  spec.top_k = top_k;
  return spec;
}

/// Expert -> weight of one token.
std::map<int, float> choose(const RoutingSpec& spec, const std::vector<float>& logits,
                            const std::vector<float>& bias = {}) {
  Routing routing;
  routing.experts.resize(logits.size());
  route(spec, logits, bias, 0, routing);
  std::map<int, float> chosen;
  for (size_t e = 0; e < logits.size(); ++e) {
    if (!routing.experts[e].tokens.empty()) chosen[static_cast<int>(e)] = routing.experts[e].weights.at(0);
  }
  return chosen;
}

float sigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}

TEST(Routing, EqualScoresGoToTheLowerIndex) {
  const auto chosen = choose(spec_of(RoutingSpec::Scores::softmax, 2), {1, 3, 3, 3});
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_FLOAT_EQ(chosen.at(1), 0.5f);
  EXPECT_FLOAT_EQ(chosen.at(2), 0.5f);
}

TEST(Routing, ABiasChoosesAndDoesNotWeigh) {
  RoutingSpec spec = spec_of(RoutingSpec::Scores::sigmoid, 1);
  spec.renormalize = false;
  spec.scale = 2;
  const auto chosen = choose(spec, {0, 1}, {5, 0});
  ASSERT_EQ(chosen.size(), 1u);
  EXPECT_FLOAT_EQ(chosen.at(0), 2 * sigmoid(0));
}

TEST(Routing, OnlyTheBestGroupsAreChosenFromEvenWhereTheirScoresAreNegative) {
  RoutingSpec spec = spec_of(RoutingSpec::Scores::sigmoid, 2);
  spec.groups = 2;
  spec.group_score = RoutingSpec::GroupScore::two_best;
  // The single best expert stands in the worse group. Biases bring every score below 0.
  const auto chosen = choose(spec, {3, -9, 2, 1}, {-2, -2, -2, -2});
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_FLOAT_EQ(chosen.at(2), sigmoid(2) / (sigmoid(2) + sigmoid(1)));
  spec.group_score = RoutingSpec::GroupScore::best;
  EXPECT_EQ(choose(spec, {3, -9, 2, 1}).count(0), 1u);
}

TEST(Routing, WeightsMayBeNormedByAnotherOrderAndFromBelow) {
  RoutingSpec spec = spec_of(RoutingSpec::Scores::softmax, 2);
  spec.norm_order = 2;
  const auto chosen = choose(spec, {0, 0, -100});
  EXPECT_FLOAT_EQ(chosen.at(0), std::sqrt(0.5f));
  spec.norm_order = 1;
  spec.norm_floor = 4;
  EXPECT_FLOAT_EQ(choose(spec, {0, 0, -100}).at(0), 0.125f);
}

TEST(Routing, SparsemixerWeighsEachChoiceAmongItsNeighbours) {
  RoutingSpec spec = spec_of(RoutingSpec::Scores::sparsemixer, 2);
  spec.jitter = 0.1;
  // Near the largest, 10, are those from 8 on; near the second, 9, those from 7.2 on, but not the first again.
  const auto chosen = choose(spec, {10, 9, 7.5f, -50});
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_FLOAT_EQ(chosen.at(0), 1 / (1 + std::exp(-1.0f)));
  EXPECT_FLOAT_EQ(chosen.at(1), 1 / (1 + std::exp(-1.5f)));
}

}  // namespace
}  // namespace assay

#include "forward/routing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace assay {

namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

void softmax(std::span<float> x) {
  const float top = *std::max_element(x.begin(), x.end());
  float total = 0;
  for (float& v : x) total += v = std::exp(v - top);
  for (float& v : x) v /= total;
}

/// The `count` best of `scores`, best first, the lower index on ties.
std::vector<int32_t> best_of(std::span<const float> scores, int64_t count) {
  std::vector<int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + count, order.end(),
                    [&](int32_t a, int32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  order.resize(static_cast<size_t>(count));
  return order;
}

/// Rules out the experts outside of the best groups.
void keep_best_groups(const RoutingSpec& spec, std::span<float> choice) {
  const size_t size = choice.size() / static_cast<size_t>(spec.groups);
  std::vector<float> groups;
  for (size_t first = 0; first < choice.size(); first += size) {
    const auto group = choice.subspan(first, size);
    const bool two = spec.group_score == RoutingSpec::GroupScore::two_best && size > 1;
    const std::vector<int32_t> best = best_of(group, two ? 2 : 1);
    groups.push_back(two ? group[best[0]] + group[best[1]] : group[best[0]]);
  }
  std::vector<bool> kept(groups.size());
  for (const int32_t group : best_of(groups, spec.top_groups)) kept[group] = true;
  for (size_t e = 0; e < choice.size(); ++e) {
    if (!kept[e / size]) choice[e] = kNever;
  }
}

void renormalize(const RoutingSpec& spec, std::span<float> weights) {
  float norm = 0;
  if (spec.norm_order == 1) {
    for (const float w : weights) norm += w;
  } else {
    for (const float w : weights) norm += std::pow(std::abs(w), static_cast<float>(spec.norm_order));
    norm = std::pow(norm, static_cast<float>(1 / spec.norm_order));
  }
  norm = std::max(norm + static_cast<float>(spec.norm_epsilon), static_cast<float>(spec.norm_floor));
  for (float& w : weights) w /= norm;
}

/// One choice of sparsemixer: the largest logit that is left, and its share among the logits left that are near it.
/// Near is (top - s) / max(|s|, top) <= 2 * jitter.
std::pair<int32_t, float> next_of(const RoutingSpec& spec, std::span<const float> logits, std::span<float> left) {
  const auto at = std::max_element(left.begin(), left.end());
  const float top = *at;
  float total = 0;
  for (size_t e = 0; e < left.size(); ++e) {
    const float scale = std::max(std::abs(logits[e]), top);
    const bool near = !((top - logits[e]) / scale > static_cast<float>(2 * spec.jitter));
    if (left[e] != kNever && near) total += std::exp(left[e] - top);
  }
  *at = kNever;
  return {static_cast<int32_t>(at - left.begin()), 1 / total};
}

struct Choice {
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

Choice sparsemixer(const RoutingSpec& spec, std::span<const float> logits) {
  std::vector<float> left(logits.begin(), logits.end());
  Choice chosen;
  for (int64_t i = 0; i < spec.top_k; ++i) {
    const auto [expert, weight] = next_of(spec, logits, left);
    chosen.experts.push_back(expert);
    chosen.weights.push_back(weight);
  }
  return chosen;
}

Choice choose(const RoutingSpec& spec, std::span<const float> logits, std::span<const float> bias) {
  if (spec.scores == RoutingSpec::Scores::sparsemixer) return sparsemixer(spec, logits);
  std::vector<float> scores(logits.begin(), logits.end());
  if (spec.scores == RoutingSpec::Scores::softmax) {
    softmax(scores);
  } else {
    for (float& s : scores) s = 1 / (1 + std::exp(-s));
  }
  // A sigmoid keeps the order, but large logits all become 1.
  const bool as_logits = spec.scores == RoutingSpec::Scores::sigmoid && bias.empty() && spec.groups <= 1;
  std::vector<float> choice = as_logits ? std::vector<float>(logits.begin(), logits.end()) : scores;
  for (size_t e = 0; e < bias.size(); ++e) choice[e] += bias[e];
  if (spec.groups > 1) keep_best_groups(spec, choice);
  Choice chosen{best_of(choice, spec.top_k), {}};
  for (const int32_t expert : chosen.experts) chosen.weights.push_back(scores[expert]);
  if (spec.renormalize) renormalize(spec, chosen.weights);
  return chosen;
}

}  // namespace

void route(const RoutingSpec& spec, std::span<const float> logits, std::span<const float> bias, int64_t first_token,
           Routing& routing) {
  const size_t experts = routing.experts.size();
  for (size_t t = 0; t * experts < logits.size(); ++t) {
    const Choice chosen = choose(spec, logits.subspan(t * experts, experts), bias);
    for (size_t i = 0; i < chosen.experts.size(); ++i) {
      Routing::Expert& expert = routing.experts[chosen.experts[i]];
      expert.tokens.push_back(static_cast<int32_t>(first_token + static_cast<int64_t>(t)));
      expert.weights.push_back(chosen.weights[i] * static_cast<float>(spec.scale));
    }
  }
}

}  // namespace assay

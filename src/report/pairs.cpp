#include "report/pairs.h"

#include <algorithm>
#include <functional>

namespace assay {

namespace {

constexpr size_t kMostPaired = 500;

const Comparison* comparison_of(const ModelResult& model) {
  return model.measured && model.measured->comparison ? &*model.measured->comparison : nullptr;
}

double value_of(const ModelResult& model, Measure measure) {
  if (!model.ok() || !model.measured || model.role == ModelRole::noise_floor) return NAN;
  if (measure == Measure::nll) return model.measured->mean_nll;
  const Comparison* comparison = comparison_of(model);
  return comparison ? comparison->divergence.kld.mean : NAN;
}

const std::optional<Estimate>& difference_of(const ModelPair& pair, Measure measure) {
  return measure == Measure::nll ? pair.nll : pair.kld;
}

}  // namespace

bool ModelPair::indistinguishable(const std::optional<Estimate>& difference) {
  if (!difference) return false;
  const Interval interval = difference->interval();
  return !(interval.low > 0 || interval.high < 0);
}

ModelPair compare_models(const Result& result, size_t a, size_t b) {
  ModelPair pair{.a = a, .b = b, .nll = {}, .nll_signs = {}, .kld = {}};
  const ModelResult& one = result.models[a];
  const ModelResult& other = result.models[b];
  if (!one.measured || !other.measured) return pair;
  const ClusterSums &sums_a = one.measured->clusters, &sums_b = other.measured->clusters;
  pair.nll = compare_paired(sums_a, sums_b);
  if (pair.nll) {
    // Rows that overlap would count one stretch of text several times.
    std::vector<double> difference(sums_a.sum.size());
    std::transform(sums_a.sum.begin(), sums_a.sum.end(), sums_b.sum.begin(), difference.begin(), std::minus<>());
    pair.nll_signs = sign_test(difference);
  }
  const Comparison* kld_a = comparison_of(one);
  const Comparison* kld_b = comparison_of(other);
  if (kld_a && kld_b) pair.kld = compare_paired(kld_a->divergence.clusters, kld_b->divergence.clusters);
  return pair;
}

std::vector<ModelPair> all_pairs(const Result& result) {
  std::vector<ModelPair> pairs;
  if (result.models.size() > kMostPaired) return pairs;
  for (size_t a = 0; a < result.models.size(); ++a) {
    if (!result.models[a].measured) continue;
    for (size_t b = a + 1; b < result.models.size(); ++b)
      if (result.models[b].measured) pairs.push_back(compare_models(result, a, b));
  }
  return pairs;
}

std::vector<int> places(const Result& result, Measure measure) {
  std::vector<size_t> order;
  for (size_t i = 0; i < result.models.size(); ++i)
    if (!std::isnan(value_of(result.models[i], measure))) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return value_of(result.models[a], measure) < value_of(result.models[b], measure);
  });
  std::vector<int> out(result.models.size());
  size_t best = 0;  // of the current place
  for (size_t i = 0; i < order.size(); ++i) {
    const auto difference = difference_of(compare_models(result, order[i], order[best]), measure);
    const bool equal = value_of(result.models[order[i]], measure) == value_of(result.models[order[best]], measure);
    if (i > 0 && !equal && !ModelPair::indistinguishable(difference)) best = i;
    out[order[i]] = static_cast<int>(best) + 1;
  }
  return out;
}

bool at_the_floor(const Result& result, size_t model) {
  const Comparison* comparison = comparison_of(result.models[model]);
  if (!comparison || result.models[model].role != ModelRole::model) return false;
  for (size_t floor = 0; floor < result.models.size(); ++floor) {
    const Comparison* noise = comparison_of(result.models[floor]);
    if (result.models[floor].role != ModelRole::noise_floor || !noise) continue;
    if (comparison->divergence.kld.mean <= noise->divergence.kld.mean) return true;
    if (ModelPair::indistinguishable(compare_models(result, model, floor).kld)) return true;
  }
  return false;
}

}  // namespace assay

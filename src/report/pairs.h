#pragma once
#include <optional>
#include <vector>

#include "report/result.h"
#include "stats/paired.h"

namespace assay {

/// Two models of a run on the same tokens. `a` and `b` are indices into Result::models; differences are a - b.
struct ModelPair {
  size_t a = 0, b = 0;
  std::optional<Estimate> nll;  ///< exp of the mean is the ratio of perplexities
  SignTest nll_signs;           ///< of the clusters
  std::optional<Estimate> kld;

  /// Whether the interval of a difference covers zero, or is unknown because there is one cluster only; false when
  /// there is no difference to judge.
  static bool indistinguishable(const std::optional<Estimate>& difference);
};

/// Nothing where a model has no measurement or the tokens differ.
ModelPair compare_models(const Result& result, size_t a, size_t b);
/// Of all models that were measured, a < b. None where they are too many for anyone to read.
std::vector<ModelPair> all_pairs(const Result& result);

/// Places by mean NLL or KLD, best first; models that cannot be told from the best of their place share it. Of each
/// model: 1, 1, 3, ...; 0 where it has no such number, or is no competitor (noise floor).
enum class Measure : uint8_t { nll, kld };
std::vector<int> places(const Result& result, Measure measure);

/// Whether a model's KLD cannot be told from the noise floor of the run.
bool at_the_floor(const Result& result, size_t model);

}  // namespace assay

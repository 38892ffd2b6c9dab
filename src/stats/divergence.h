#pragma once
#include <array>
#include <string_view>

#include "stats/bootstrap.h"
#include "stats/histogram.h"
#include "stats/token_measures.h"

namespace assay {

/// A percentile and what resampling clusters says about it.
struct Quantile {
  double value = NAN;
  BootstrapError error;
};

struct QuantileKind {
  const char* name;
  double q;
};
inline constexpr std::array<QuantileKind, 8> kQuantiles = {{{"p10", 0.1},
                                                            {"p25", 0.25},
                                                            {"median", 0.5},
                                                            {"p75", 0.75},
                                                            {"p90", 0.9},
                                                            {"p95", 0.95},
                                                            {"p99", 0.99},
                                                            {"p999", 0.999}}};

/// KLD where the reference's first token had a probability in [low, high).
struct ConfidenceBucket {
  double low = 0, high = 0;
  int64_t tokens = 0;
  double share = NAN, mean = NAN, median = NAN, median_lower = NAN;
};

/// The probability is rounded to binary16 first, as qbench stores it.
std::vector<ConfidenceBucket> confidence_buckets(std::span<const double> kld, std::span<const float> confidence);

/// Shares of positions, and a mean.
struct Agreement {
  Estimate top1;          ///< same first token
  Estimate top5;          ///< the reference's first token is among the model's first five
  Estimate top10;         ///< ... ten
  Estimate top5_common;   ///< of the first five, those that both have
  Estimate top10_common;  ///< of the first ten
  Estimate top5_ordered;  ///< the first five are the same in the same order
  Estimate rank;          ///< no share: the place of the reference's first token in the model's order, 1 = first
};
/// Of the first `windows.count` positions of each row.
Agreement agreement(const TokenMeasures& measures, const Windows& windows, Clustering clustering);

/// Ids that two lists without repetition have in common.
int common_ids(std::span<const int32_t> a, std::span<const int32_t> b);

struct WorstToken {
  int64_t row = 0, position = 0;  ///< index into [rows, count]
  double kld = 0;
};

/// What the measures of one model say. Over the positions that predict a scored target, in nats.
struct Divergence {
  Estimate kld;
  ClusterSums clusters;          ///< of the KLD, what `kld` is made of
  std::vector<double> row_mean;  ///< KLD of each row
  std::array<Quantile, kQuantiles.size()> quantiles;
  double median_lower = NAN, max = NAN;
  double compare_q = NAN;  ///< mean of the first ten rows, with every position of `count`
  Estimate reverse, jensen_shannon;
  Estimate target_difference;  ///< probability of the target, model minus reference
  double target_difference_rms = NAN;
  std::vector<ConfidenceBucket> buckets;
  Agreement agreement;
  double nonfinite_share = 0;  ///< positions without a KLD; left out of everything that is about KLD
  LogHistogram histogram;
  std::vector<WorstToken> worst;  ///< largest KLD first

  /// By the name in kQuantiles.
  const Quantile& quantile(std::string_view name) const;
};

constexpr uint64_t kBootstrapSeed = 7;
constexpr int64_t kWorstTokens = 20;

/// `windows` describes the scored targets: windows.count is measures.count, or less where the last positions of a row
/// predict none.
Divergence summarize(const TokenMeasures& measures, const Windows& windows, Clustering clustering);

}  // namespace assay

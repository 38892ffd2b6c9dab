#pragma once
#include <cstdint>
#include <vector>

namespace assay {

/// How one model differs from its reference at each position. Arrays are [rows, count], row-major. A row has one
/// position more than it has scored targets where the last position predicts nothing (compare_q counts it all the
/// same).
struct TokenMeasures {
  int64_t rows = 0, count = 0;
  std::vector<double> kld = {};                  ///< KL(reference || model), nats; not finite = could not be computed
  std::vector<double> reverse_kld = {};          ///< KL(model || reference)
  std::vector<double> jensen_shannon = {};       ///< nats; empty = not measured
  std::vector<float> reference_confidence = {};  ///< probability of the reference's first token
  std::vector<int32_t> reference_top_rank = {};  ///< place of that token in the model's order, 0 = first
  std::vector<float> target_difference = {};     ///< model's probability of the target minus the reference's
  std::vector<uint8_t> top5_common = {};         ///< ids that the first five of both have in common
  std::vector<uint8_t> top10_common = {};        ///< the same of the first ten
  std::vector<uint8_t> top5_equal = {};          ///< 1 where the first five are the same in the same order
};

}  // namespace assay

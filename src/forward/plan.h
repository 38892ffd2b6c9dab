#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "forward/linear.h"

namespace assay {

/// How one run uses memory and how much work its parts are, decided before it starts.
struct Plan {
  int64_t rows_per_chunk = 1;  ///< rows of the data set that pass through a block together
  bool spill = false;          ///< hidden states in a file
  bool prefetch = true;        ///< decode the next block while the current one computes
  std::vector<std::string> notes;

  double attention = 0, mlp = 0, head = 0;  ///< multiplications of one layer's parts and of the head
  size_t layers = 0;
  double layer_start(size_t layer) const { return static_cast<double>(layer) * (attention + mlp); }
  double total() const { return layer_start(layers) + head; }
};

Plan make_plan(const WeightStore& store, const EvalInput& input, const EvalOptions& options);

}  // namespace assay

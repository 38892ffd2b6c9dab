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

  /// Multiplications of a layer's parts.
  struct Work {
    double mixer = 0, mlp = 0;
  };
  std::vector<Work> work;      ///< of each layer
  std::vector<double> before;  ///< each layer, and behind the last
  double head = 0;
  double start(size_t layer) const { return before.at(layer); }
  double total() const { return before.back() + head; }
};

Plan make_plan(const WeightStore& store, const EvalInput& input, const EvalOptions& options);

}  // namespace assay

#pragma once
#include "forward/context.h"
#include "forward/norm.h"

namespace assay {

/// BranchSpec on the device: everything of a branch but its inside.
class Branch {
 public:
  Branch() = default;
  Branch(const WeightStore& store, const BranchSpec& spec);

  /// h: x normed into the workspace under `purpose`, or x itself where there is no norm.
  Matrix input(RunContext& context, const std::string& purpose, Matrix x) const;
  /// Whether x += f(h) is all there is to do with f(h).
  bool plain() const;
  /// x = what the branch makes of x, h and y = f(h). y is overwritten.
  void join(RunContext& context, Matrix x, Matrix h, Matrix y) const;

  const BranchSpec& spec() const { return *spec_; }

 private:
  const BranchSpec* spec_ = nullptr;
  Norm input_norm_, output_norm_, sum_norm_;
};

}  // namespace assay

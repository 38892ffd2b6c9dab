#pragma once
#include "forward/linear.h"

namespace assay {

/// A norm's parameters on the device.
class Norm {
 public:
  Norm() = default;
  Norm(const WeightStore& store, const NormSpec& spec);

  /// False for a norm that is not there.
  explicit operator bool() const { return kind_ != NormSpec::Kind::none; }
  /// y = norm(x), each row in runs of the norm's width. x and y may be the same.
  void apply(Device& device, Matrix x, Matrix y) const;

 private:
  NormSpec::Kind kind_ = NormSpec::Kind::none;
  int64_t width_ = 0;
  float eps_ = 0;
  Buffer weight_, bias_;
};

}  // namespace assay

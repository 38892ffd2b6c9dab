#pragma once
#include "forward/context.h"

namespace assay {

/// Channels [first, first + channels) of a causal depthwise convolution.
class Conv {
 public:
  Conv() = default;
  Conv(const WeightStore& store, const ConvSpec& spec, int64_t first, int64_t channels);

  /// y = conv(x), another matrix than x, with silu on top where asked for.
  void apply(RunContext& context, Matrix x, bool silu, Matrix y) const;

 private:
  int64_t kernel_ = 0;
  Buffer weight_, bias_;  // [kernel, channels], [channels]
};

}  // namespace assay

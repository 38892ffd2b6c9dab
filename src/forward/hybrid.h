#pragma once
#include "forward/attention.h"
#include "forward/mamba.h"

namespace assay {

/// HybridSpec on the device.
class Hybrid : public Body {
 public:
  Hybrid(RunContext& context, const HybridSpec& spec);
  void run(RunContext& context, Matrix h, Matrix y, bool accumulate) const override;

 private:
  const HybridSpec* spec_;
  Attention attention_;
  Mamba2 mamba_;
};

}  // namespace assay

#pragma once
#include "forward/blocks.h"
#include "forward/conv.h"
#include "forward/norm.h"

namespace assay {

/// DeltaNetSpec on the device.
class DeltaNet : public Body {
 public:
  DeltaNet(RunContext& context, const DeltaNetSpec& spec);
  void run(RunContext& context, Matrix h, Matrix y, bool accumulate) const override;

 private:
  Matrix convolved(RunContext& context, const char* purpose, Matrix x, const Conv& conv) const;
  void normalize(Device& device, Matrix x, const Buffer& factor) const;

  const DeltaNetSpec* spec_;
  Linear q_, k_, v_, z_, b_, a_, out_;
  Conv q_conv_, k_conv_, v_conv_;
  Buffer a_log_, dt_bias_, q_factor_, k_factor_;
  Norm norm_;
};

}  // namespace assay

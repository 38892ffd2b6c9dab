#pragma once
#include "forward/blocks.h"
#include "forward/conv.h"
#include "forward/norm.h"

namespace assay {

/// MambaSpec on the device.
class Mamba : public Body {
 public:
  Mamba(RunContext& context, const MambaSpec& spec);
  void run(RunContext& context, Matrix h, Matrix y, bool accumulate) const override;

 private:
  Linear x_, gate_, dt_in_, b_, c_, dt_, out_;
  Norm dt_norm_, b_norm_, c_norm_;
  Conv conv_;
  Buffer a_, d_;  // [states, channels], [channels]
};

/// Mamba2Spec on the device.
class Mamba2 : public Body {
 public:
  Mamba2(RunContext& context, const Mamba2Spec& spec);
  void run(RunContext& context, Matrix h, Matrix y, bool accumulate) const override;

 private:
  void normalize(RunContext& context, Matrix x) const;

  const Mamba2Spec* spec_;
  Linear gate_, x_, b_, c_, dt_, out_;
  Conv x_conv_, b_conv_, c_conv_;
  Buffer a_log_, dt_bias_, d_;
  std::vector<Norm> norms_;
};

}  // namespace assay

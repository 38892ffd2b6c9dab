#pragma once
#include "forward/blocks.h"
#include "forward/norm.h"

namespace assay {

/// LightningSpec on the device.
class Lightning : public Body {
 public:
  Lightning(RunContext& context, const LightningSpec& spec);
  void run(RunContext& context, Matrix h, Matrix y, bool accumulate) const override;

 private:
  const LightningSpec* spec_;
  Linear q_, k_, v_, gate_, out_;
  Norm norm_;
};

}  // namespace assay

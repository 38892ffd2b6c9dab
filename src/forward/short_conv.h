#pragma once
#include "forward/blocks.h"
#include "forward/conv.h"

namespace assay {

/// ShortConvSpec on the device.
class ShortConv : public Body {
 public:
  ShortConv(RunContext& context, const ShortConvSpec& spec);
  void run(RunContext& context, Matrix h, Matrix y, bool accumulate) const override;

 private:
  Linear b_, c_, v_, out_;
  Conv conv_;
};

}  // namespace assay

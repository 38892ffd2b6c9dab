#pragma once
#include "forward/context.h"
#include "forward/norm.h"

namespace assay {

/// MlpSpec on the device.
class Mlp {
 public:
  Mlp(RunContext& context, const MlpSpec& spec);
  /// y = mlp(x), or y += mlp(x). `call`: as LinearInput::apply() has it.
  void run(RunContext& context, Matrix x, Matrix y, bool accumulate, int64_t call) const;

 private:
  void activate(Device& device, Matrix x) const;

  Activation activation_;
  bool gated_;
  Linear gate_, up_, down_;
  Norm inner_norm_;
  XieluShape xielu_;
};

}  // namespace assay

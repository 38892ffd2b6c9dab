#pragma once
#include <optional>

#include "forward/context.h"
#include "forward/norm.h"

namespace assay {

/// As a device knows it; not for xielu.
Device::Gate gate_of(Activation activation);

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
  std::optional<double> sparsity_;
  Linear gate_, up_, down_;
  Norm inner_norm_;
  XieluShape xielu_;
};

}  // namespace assay

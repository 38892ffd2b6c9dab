#include "forward/hybrid.h"

namespace assay {

namespace {

Matrix multiplied(RunContext& context, Matrix h, double multiplier) {
  if (multiplier == 1) return h;
  const Matrix x = context.workspace.get("multiplied", h.rows, h.cols);
  context.device.copy(h, x);
  context.device.scale(static_cast<float>(multiplier), x);
  return x;
}

}  // namespace

Hybrid::Hybrid(RunContext& context, const HybridSpec& spec)
    : spec_(&spec), attention_(context, spec.attention), mamba_(context, spec.mamba) {}

void Hybrid::run(RunContext& context, Matrix h, Matrix y, bool accumulate) const {
  attention_.run(context, multiplied(context, h, spec_->attention_multiplier), y, accumulate);
  mamba_.run(context, multiplied(context, h, spec_->mamba_multiplier), y, true);
}

}  // namespace assay

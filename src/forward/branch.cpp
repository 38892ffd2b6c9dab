#include "forward/branch.h"

namespace assay {

Branch::Branch(const WeightStore& store, const BranchSpec& spec)
    : spec_(&spec),
      input_norm_(store, spec.input_norm),
      output_norm_(store, spec.output_norm),
      sum_norm_(store, spec.sum_norm) {}

Matrix Branch::input(RunContext& context, const std::string& purpose, Matrix x) const {
  if (!input_norm_) return x;
  const Matrix h = context.workspace.get(purpose, x.rows, x.cols);
  context.times.time("norm", [&] { input_norm_.apply(context.device, x, h); });
  return h;
}

bool Branch::plain() const {
  return !output_norm_ && !sum_norm_ && !spec_->from_normed && spec_->carry == 1 && spec_->scale == 1;
}

void Branch::join(RunContext& context, Matrix x, Matrix h, Matrix y) const {
  Device& device = context.device;
  context.times.time("norm", [&] {
    if (output_norm_) output_norm_.apply(device, y, y);
    if (spec_->scale != 1) device.scale(static_cast<float>(spec_->scale), y);
    if (spec_->from_normed && h.data != x.data) device.copy(h, x);
    if (spec_->carry != 1) device.scale(static_cast<float>(spec_->carry), x);
    device.add(y, x);
    if (sum_norm_) sum_norm_.apply(device, x, x);
  });
}

}  // namespace assay

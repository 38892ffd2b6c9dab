#include "forward/lightning.h"

#include "forward/project.h"

namespace assay {

Lightning::Lightning(RunContext& context, const LightningSpec& spec)
    : spec_(&spec),
      q_(context.store, spec.q, context.options.as_deployed),
      k_(context.store, spec.k, context.options.as_deployed),
      v_(context.store, spec.v, context.options.as_deployed),
      gate_(context.store, spec.gate, context.options.as_deployed),
      out_(context.store, spec.out, context.options.as_deployed),
      norm_(context.store, spec.norm) {}

void Lightning::run(RunContext& context, Matrix h, Matrix y, bool accumulate) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  const int64_t n = h.rows, width = q_.out(), heads = spec_->heads;
  const Matrix q = workspace.get("q", n, width), k = workspace.get("k", n, width), v = workspace.get("v", n, width);
  const Matrix gate = workspace.get("output gate", n, width), mixed = workspace.get("mixed", n, width);
  const Matrix decay = workspace.get("decay", n, heads), write = workspace.get("write", n, heads);
  project(context, h, {{q_, q}, {k_, k}, {v_, v}, {gate_, gate}});

  std::vector<float> factors;
  for (int64_t r = 0; r < n; ++r) factors.insert(factors.end(), spec_->decay.begin(), spec_->decay.end());
  device.upload(factors, decay.data);
  device.upload(std::vector<float>(static_cast<size_t>(n * heads), 1.0f), write.data);
  context.times.time("gate", [&] {
    for (const Matrix& x : {q, k, v}) device.activate(Device::Gate::silu, x);
  });
  context.times.time("attention", [&] {
    LinearAttentionShape shape{.heads = heads, .key_heads = heads};
    shape.key_dim = shape.value_dim = spec_->head_dim;
    device.linear_attention(q, k, v, decay, write, mixed, context.length, shape);
  });
  context.times.time("norm", [&] { norm_.apply(device, mixed, mixed); });
  context.times.time("gate", [&] { device.gate(Device::Gate::sigmoid, gate, mixed); });
  project(context, gate, out_, y, accumulate);
}

}  // namespace assay

#include "forward/mamba.h"

#include <cmath>

#include "forward/decay.h"
#include "forward/project.h"

namespace assay {

Mamba::Mamba(RunContext& context, const MambaSpec& spec) {
  WeightStore& store = context.store;
  const bool as_deployed = context.options.as_deployed;
  x_ = Linear(store, spec.x, as_deployed);
  gate_ = Linear(store, spec.gate, as_deployed);
  dt_in_ = Linear(store, spec.dt_in, as_deployed);
  b_ = Linear(store, spec.b, as_deployed);
  c_ = Linear(store, spec.c, as_deployed);
  dt_ = Linear(store, spec.dt, as_deployed);
  out_ = Linear(store, spec.out, as_deployed);
  dt_norm_ = Norm(store, spec.dt_norm);
  b_norm_ = Norm(store, spec.b_norm);
  c_norm_ = Norm(store, spec.c_norm);
  const int64_t channels = x_.out(), states = b_.out();
  conv_ = Conv(store, spec.conv, 0, channels);
  const std::vector<float> a_log = read_a_log(store, spec.a_log, channels * states);
  std::vector<float> a(a_log.size());
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t s = 0; s < states; ++s) a[s * channels + c] = -std::exp(a_log[c * states + s]);
  }
  a_ = store.to_device(a);
  d_ = store.vector(spec.d, channels);
}

void Mamba::run(RunContext& context, Matrix h, Matrix y, bool accumulate) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  const int64_t n = h.rows, channels = x_.out();
  const Matrix x = workspace.get("state input", n, channels), u = workspace.get("convolved", n, channels);
  const Matrix gate = workspace.get("output gate", n, channels), mixed = workspace.get("mixed", n, channels);
  const Matrix dt_in = workspace.get("latent time steps", n, dt_in_.out()),
               dt = workspace.get("time steps", n, channels);
  const Matrix b = workspace.get("b", n, b_.out()), c = workspace.get("c", n, c_.out());
  project(context, h, {{x_, x}, {gate_, gate}});
  conv_.apply(context, x, true, u);
  project(context, u, {{dt_in_, dt_in}, {b_, b}, {c_, c}});
  context.times.time("norm", [&] {
    if (dt_norm_) dt_norm_.apply(device, dt_in, dt_in);
    if (b_norm_) b_norm_.apply(device, b, b);
    if (c_norm_) c_norm_.apply(device, c, c);
  });
  project(context, dt_in, {{dt_, dt}});
  context.times.time("attention",
                     [&] { device.selective_scan(u, dt, a_.data(), b, c, d_.data(), context.length, mixed); });
  context.times.time("gate", [&] { device.gate(Device::Gate::silu, gate, mixed); });
  project(context, gate, out_, y, accumulate);
}

Mamba2::Mamba2(RunContext& context, const Mamba2Spec& spec) : spec_(&spec) {
  WeightStore& store = context.store;
  const bool as_deployed = context.options.as_deployed;
  gate_ = Linear(store, spec.gate, as_deployed);
  x_ = Linear(store, spec.x, as_deployed);
  b_ = Linear(store, spec.b, as_deployed);
  c_ = Linear(store, spec.c, as_deployed);
  dt_ = Linear(store, spec.dt, as_deployed);
  out_ = Linear(store, spec.out, as_deployed);
  x_conv_ = Conv(store, spec.conv, 0, x_.out());
  b_conv_ = Conv(store, spec.conv, x_.out(), b_.out());
  c_conv_ = Conv(store, spec.conv, x_.out() + b_.out(), c_.out());
  a_log_ = store.to_device(read_a_log(store, spec.a_log, spec.heads));
  dt_bias_ = store.vector(spec.dt_bias, spec.heads);
  d_ = store.vector(spec.d, spec.heads);
  for (const NormSpec& norm : spec.norms) norms_.emplace_back(store, norm);
}

/// Each norm has its own part of the channels.
void Mamba2::normalize(RunContext& context, Matrix x) const {
  if (norms_.empty()) return;
  const int64_t width = x.cols / static_cast<int64_t>(norms_.size());
  context.times.time("norm", [&] {
    for (size_t i = 0; i < norms_.size(); ++i) {
      const Matrix part{x.data + static_cast<int64_t>(i) * width, x.rows, width, x.stride};
      norms_[i].apply(context.device, part, part);
    }
  });
}

void Mamba2::run(RunContext& context, Matrix h, Matrix y, bool accumulate) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  const int64_t n = h.rows;
  const Matrix gate = workspace.get("output gate", n, gate_.out()), x_in = workspace.get("state input", n, x_.out());
  const Matrix b_in = workspace.get("b", n, b_.out()), c_in = workspace.get("c", n, c_.out());
  const Matrix dt = workspace.get("time steps", n, dt_.out()), decay = workspace.get("decay", n, dt_.out());
  const Matrix x = workspace.get("convolved", n, x_.out()), mixed = workspace.get("mixed", n, x_.out());
  const Matrix b = workspace.get("convolved b", n, b_.out()), c = workspace.get("convolved c", n, c_.out());
  project(context, h, {{gate_, gate}, {x_, x_in}, {b_, b_in}, {c_, c_in}, {dt_, dt}});
  x_conv_.apply(context, x_in, true, x);
  b_conv_.apply(context, b_in, true, b);
  c_conv_.apply(context, c_in, true, c);
  context.times.time("attention", [&] {
    device.time_steps(dt, dt_bias_.data(), a_log_.data(), static_cast<float>(spec_->dt_low),
                      static_cast<float>(spec_->dt_high), decay);
    LinearAttentionShape shape{.heads = spec_->heads, .key_heads = spec_->groups};
    shape.key_dim = spec_->states;
    shape.value_dim = spec_->head_dim;
    shape.skip = d_.data();
    device.linear_attention(c, b, x, decay, dt, mixed, context.length, shape);
  });
  if (spec_->norm_before_gate) normalize(context, mixed);
  context.times.time("gate", [&] { device.gate(Device::Gate::silu, gate, mixed); });
  if (!spec_->norm_before_gate) normalize(context, gate);
  project(context, gate, out_, y, accumulate);
}

}  // namespace assay

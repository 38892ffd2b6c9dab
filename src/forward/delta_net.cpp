#include "forward/delta_net.h"

#include <cmath>
#include <limits>

#include "forward/decay.h"
#include "forward/project.h"

namespace assay {

DeltaNet::DeltaNet(RunContext& context, const DeltaNetSpec& spec) : spec_(&spec), norm_(context.store, spec.norm) {
  WeightStore& store = context.store;
  const bool as_deployed = context.options.as_deployed;
  q_ = Linear(store, spec.q, as_deployed);
  k_ = Linear(store, spec.k, as_deployed);
  v_ = Linear(store, spec.v, as_deployed);
  z_ = Linear(store, spec.z, as_deployed);
  b_ = Linear(store, spec.b, as_deployed);
  a_ = Linear(store, spec.a, as_deployed);
  out_ = Linear(store, spec.out, as_deployed);
  q_conv_ = Conv(store, spec.conv, 0, q_.out());
  k_conv_ = Conv(store, spec.conv, q_.out(), k_.out());
  v_conv_ = Conv(store, spec.conv, q_.out() + k_.out(), v_.out());
  a_log_ = store.to_device(read_a_log(store, spec.a_log, spec.heads));
  dt_bias_ = store.vector(spec.dt_bias, spec.heads);
  // The length of a head is the root of its mean square times that of its size; q is divided by the latter once more.
  const auto size = static_cast<float>(spec.key_dim);
  k_factor_ = store.to_device(std::vector<float>(static_cast<size_t>(spec.key_dim), 1 / std::sqrt(size)));
  q_factor_ = store.to_device(std::vector<float>(static_cast<size_t>(spec.key_dim), 1 / size));
}

Matrix DeltaNet::convolved(RunContext& context, const char* purpose, Matrix x, const Conv& conv) const {
  const Matrix y = context.workspace.get(purpose, x.rows, x.cols);
  conv.apply(context, x, true, y);
  return y;
}

/// x / sqrt(sum of squares + 1e-6) for each head, times what `factor` adds to it.
void DeltaNet::normalize(Device& device, Matrix x, const Buffer& factor) const {
  const int64_t size = spec_->key_dim;
  const Matrix heads{x.data, x.rows * spec_->key_heads, size, size};
  device.rms_norm(heads, factor.data(), 1e-6f / static_cast<float>(size), heads);
}

void DeltaNet::run(RunContext& context, Matrix h, Matrix y, bool accumulate) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  const int64_t n = h.rows;
  const Matrix q_in = workspace.get("q", n, q_.out()), k_in = workspace.get("k", n, k_.out());
  const Matrix v_in = workspace.get("v", n, v_.out()), z = workspace.get("output gate", n, z_.out());
  const Matrix write = workspace.get("write", n, spec_->heads), dt = workspace.get("time steps", n, spec_->heads);
  const Matrix decay = workspace.get("decay", n, spec_->heads), mixed = workspace.get("mixed", n, v_.out());
  project(context, h, {{q_, q_in}, {k_, k_in}, {v_, v_in}, {z_, z}, {b_, write}, {a_, dt}});

  const Matrix q = convolved(context, "convolved q", q_in, q_conv_);
  const Matrix k = convolved(context, "convolved k", k_in, k_conv_);
  const Matrix v = convolved(context, "convolved v", v_in, v_conv_);
  context.times.time("attention", [&] {
    normalize(device, q, q_factor_);
    normalize(device, k, k_factor_);
    device.activate(Device::Gate::sigmoid, write);
    device.time_steps(dt, dt_bias_.data(), a_log_.data(), 0, std::numeric_limits<float>::infinity(), decay);
    LinearAttentionShape shape{.heads = spec_->heads, .key_heads = spec_->key_heads};
    shape.key_dim = spec_->key_dim;
    shape.value_dim = spec_->value_dim;
    shape.delta = true;
    device.linear_attention(q, k, v, decay, write, mixed, context.length, shape);
  });
  context.times.time("norm", [&] { norm_.apply(device, mixed, mixed); });
  context.times.time("gate", [&] { device.gate(Device::Gate::silu, z, mixed); });
  project(context, z, out_, y, accumulate);
}

}  // namespace assay

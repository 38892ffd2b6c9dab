#include "forward/mlp.h"

#include <cmath>

#include "base/error.h"

namespace assay {

Device::Gate gate_of(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return Device::Gate::silu;
    case Activation::gelu:
      return Device::Gate::gelu;
    case Activation::gelu_tanh:
      return Device::Gate::gelu_tanh;
    case Activation::relu:
      return Device::Gate::relu;
    case Activation::relu2:
      return Device::Gate::relu2;
    case Activation::clamped_swiglu:
      return Device::Gate::clamped_swiglu;
    case Activation::xielu:
      break;  // has an operation of its own
  }
  ASSAY_CHECK(false);
  return Device::Gate::silu;
}

namespace {

XieluShape read_xielu(const WeightStore& store, const std::string& module) {
  const auto value = [&](const char* name) { return store.values(module + "." + name, 1).front(); };
  const auto softplus = [](float x) { return x > 20 ? x : std::log1p(std::exp(x)); };
  const float beta = store.model().checkpoint->find(module + ".beta") ? value("beta") : 0.5f;
  return {.positive = softplus(value("alpha_p")), .negative = beta + softplus(value("alpha_n")), .beta = beta};
}

}  // namespace

Mlp::Mlp(RunContext& context, const MlpSpec& spec)
    : activation_(spec.activation),
      gated_(spec.gate.has_value()),
      sparsity_(spec.sparsity),
      up_(context.store, spec.up, context.options.as_deployed),
      down_(context.store, spec.down, context.options.as_deployed),
      inner_norm_(context.store, spec.inner_norm) {
  if (gated_) gate_ = Linear(context.store, *spec.gate, context.options.as_deployed);
  if (activation_ == Activation::xielu) xielu_ = read_xielu(context.store, spec.activation_module);
}

void Mlp::activate(Device& device, Matrix x) const {
  if (activation_ == Activation::xielu) return device.xielu(xielu_, x);
  device.activate(gate_of(activation_), x);
}

void Mlp::run(RunContext& context, Matrix x, Matrix y, bool accumulate, int64_t call) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  StageTimes& times = context.times;
  const Matrix up = workspace.get("up", x.rows, up_.out());
  const Matrix inner = gated_ ? workspace.get("gate", x.rows, gate_.out()) : up;
  const Matrix up_in =
      times.time("activations", [&] { return up_.input().apply(device, workspace, "up input", x, call); });
  if (gated_) {
    const Matrix gate_in = times.time("activations", [&] {
      return gate_.input() == up_.input() ? up_in : gate_.input().apply(device, workspace, "gate input", x, call);
    });
    times.time("linear", [&] { gate_.apply(device, workspace, gate_in, inner, false); });
  }
  times.time("linear", [&] { up_.apply(device, workspace, up_in, up, false); });
  times.time("gate", [&] {
    if (sparsity_) device.keep_outstanding(inner, static_cast<float>(*sparsity_));
    if (gated_) {
      device.gate(gate_of(activation_), inner, up);
    } else {
      activate(device, inner);
    }
  });
  if (inner_norm_) times.time("norm", [&] { inner_norm_.apply(device, inner, inner); });
  const Matrix down_in =
      times.time("activations", [&] { return down_.input().apply(device, workspace, "down input", inner, call); });
  times.time("linear", [&] { down_.apply(device, workspace, down_in, y, accumulate); });
}

}  // namespace assay

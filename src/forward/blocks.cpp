#include "forward/blocks.h"

#include <chrono>
#include <numeric>

#include "base/error.h"

namespace assay {

double StageTimes::now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Norm::Norm(WeightStore& store, const NormSpec& spec, int64_t width) : eps_(static_cast<float>(spec.eps)) {
  if (spec.kind != NormSpec::Kind::rms || !spec.bias.empty()) fail("{}: layer norm is not supported yet", spec.weight);
  if (!spec.weight.empty()) weight_ = store.vector(spec.weight, width, spec.weight_offset);
}

void Norm::apply(Device& device, Matrix x, Matrix y) const {
  device.rms_norm(x, weight_.floats() > 0 ? weight_.data() : nullptr, eps_, y);
}

AttentionBlock::AttentionBlock(RunContext& context, const LayerSpec& layer) : spec_(&layer.attention) {
  WeightStore& store = context.store;
  const bool as_deployed = context.options.as_deployed;
  norm_ = Norm(store, layer.attention_norm, spec_->q.in);
  q_ = Linear(store, spec_->q, as_deployed);
  k_ = Linear(store, spec_->k, as_deployed);
  v_ = Linear(store, spec_->v, as_deployed);
  o_ = Linear(store, spec_->o, as_deployed);
  if (spec_->q_norm) q_norm_ = Norm(store, *spec_->q_norm, spec_->head_dim);
  if (spec_->k_norm) k_norm_ = Norm(store, *spec_->k_norm, spec_->head_dim);
  if (!spec_->sinks.empty()) sinks_ = store.vector(spec_->sinks, spec_->heads);

  const OpenModel& model = store.model();
  const AttentionQuant quant = open_attention_quant(*model.checkpoint, *model.quant, spec_->module);
  if (quant.q_transform) q_transform_ = store.transform(*quant.q_transform);
  if (quant.k_transform) k_transform_ = store.transform(*quant.k_transform);
  if (as_deployed) q_quant_ = quant.q;
  if (as_deployed && context.options.kv_cache) {
    k_quant_ = quant.k;
    v_quant_ = quant.v;
  }
}

/// Norm, rope, rotation and quantization of the heads of q or k, in place.
void AttentionBlock::position(RunContext& context, Matrix x, const Norm& norm, bool has_norm, const Weight* transform,
                              const ActivationQuant& quant) const {
  Device& device = context.device;
  const int64_t heads = x.rows * (x.cols / spec_->head_dim);
  const Matrix by_head{x.data, heads, spec_->head_dim, spec_->head_dim};
  if (has_norm) norm.apply(device, by_head, by_head);
  if (spec_->rope >= 0) {
    const RopeTable& table = context.ropes[spec_->rope];
    const auto& [cos, sin] = context.rope_buffers[spec_->rope];
    std::vector<int32_t> positions(static_cast<size_t>(x.rows));
    for (int64_t r = 0; r < x.rows; ++r) positions[r] = static_cast<int32_t>(r % context.length);
    device.rope(x, spec_->head_dim, positions, cos.data(), sin.data(), table.pairs, table.interleaved);
  }
  if (transform) {
    const Matrix rotated = context.workspace.get("rotated heads", x.rows, x.cols);
    apply_transform(device, *transform, x, rotated);
    device.copy(rotated, x);
  }
  device.quantize(quant, x);
}

void AttentionBlock::run(RunContext& context, Matrix x) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  StageTimes& times = context.times;
  const Matrix normed = workspace.get("normed", x.rows, x.cols);
  const Matrix q = workspace.get("q", x.rows, q_.out()), k = workspace.get("k", x.rows, k_.out());
  const Matrix v = workspace.get("v", x.rows, v_.out()), mixed = workspace.get("mixed", x.rows, q_.out());

  times.time("norm", [&] { norm_.apply(device, x, normed); });
  const auto inputs = times.time("activations", [&] {
    const Matrix q_in = q_.input().apply(device, workspace, "q input", normed, context.length);
    const Matrix k_in =
        k_.input() == q_.input() ? q_in : k_.input().apply(device, workspace, "k input", normed, context.length);
    const Matrix v_in =
        v_.input() == q_.input() ? q_in : v_.input().apply(device, workspace, "v input", normed, context.length);
    return std::array{q_in, k_in, v_in};
  });
  times.time("linear", [&] {
    q_.apply(device, workspace, inputs[0], q, false);
    k_.apply(device, workspace, inputs[1], k, false);
    v_.apply(device, workspace, inputs[2], v, false);
  });
  times.time("rope", [&] {
    position(context, q, q_norm_, spec_->q_norm.has_value(), q_transform_.get(), q_quant_);
    position(context, k, k_norm_, spec_->k_norm.has_value(), k_transform_.get(), k_quant_);
    device.quantize(v_quant_, v);
  });
  times.time("attention", [&] {
    const AttentionShape shape{spec_->heads,    spec_->kv_heads,
                               spec_->head_dim, static_cast<float>(spec_->scale),
                               spec_->window,   sinks_.floats() > 0 ? sinks_.data() : nullptr};
    device.attention(q, k, v, mixed, context.length, shape, context.store.precision());
  });
  const Matrix o_in =
      times.time("activations", [&] { return o_.input().apply(device, workspace, "o input", mixed, context.length); });
  times.time("linear", [&] { o_.apply(device, workspace, o_in, x, true); });
}

namespace {

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
  }
  ASSAY_CHECK(false);
  return Device::Gate::silu;
}

}  // namespace

Mlp::Mlp(RunContext& context, const MlpSpec& spec)
    : activation_(gate_of(spec.activation)),
      gate_(context.store, spec.gate, context.options.as_deployed),
      up_(context.store, spec.up, context.options.as_deployed),
      down_(context.store, spec.down, context.options.as_deployed) {}

void Mlp::run(RunContext& context, Matrix x, Matrix y, bool accumulate, int64_t call) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  StageTimes& times = context.times;
  const Matrix gate = workspace.get("gate", x.rows, gate_.out()), up = workspace.get("up", x.rows, up_.out());
  const auto inputs = times.time("activations", [&] {
    const Matrix gate_in = gate_.input().apply(device, workspace, "gate input", x, call);
    return std::pair(
        gate_in, up_.input() == gate_.input() ? gate_in : up_.input().apply(device, workspace, "up input", x, call));
  });
  times.time("linear", [&] {
    gate_.apply(device, workspace, inputs.first, gate, false);
    up_.apply(device, workspace, inputs.second, up, false);
  });
  times.time("gate", [&] { device.gate(activation_, gate, up); });
  const Matrix down_in =
      times.time("activations", [&] { return down_.input().apply(device, workspace, "down input", gate, call); });
  times.time("linear", [&] { down_.apply(device, workspace, down_in, y, accumulate); });
}

MlpBlock::MlpBlock(RunContext& context, const LayerSpec& layer)
    : norm_(context.store, layer.mlp_norm, std::get<MlpSpec>(layer.mlp).gate.in),
      mlp_(context, std::get<MlpSpec>(layer.mlp)) {}

void MlpBlock::run(RunContext& context, Matrix x) const {
  const Matrix normed = context.workspace.get("normed", x.rows, x.cols);
  context.times.time("norm", [&] { norm_.apply(context.device, x, normed); });
  mlp_.run(context, normed, x, true, context.length);
}

}  // namespace assay

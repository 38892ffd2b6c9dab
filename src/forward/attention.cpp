#include "forward/attention.h"

#include <array>
#include <cmath>

#include "base/error.h"
#include "forward/alibi.h"
#include "forward/project.h"

namespace assay {

Attention::Attention(RunContext& context, const AttentionSpec& spec) : spec_(&spec) {
  WeightStore& store = context.store;
  const bool as_deployed = context.options.as_deployed;
  q_ = Linear(store, spec.q, as_deployed);
  k_ = Linear(store, spec.k, as_deployed);
  v_ = Linear(store, spec.v, as_deployed);
  o_ = Linear(store, spec.o, as_deployed);
  if (spec.gate) gate_ = Linear(store, *spec.gate, as_deployed);
  for (const NormSpec& norm : spec.q_norm) q_heads_.norms.emplace_back(store, norm);
  for (const NormSpec& norm : spec.k_norm) k_heads_.norms.emplace_back(store, norm);
  output_norm_ = Norm(store, spec.output_norm);
  if (!spec.sinks.empty()) sinks_ = store.vector(spec.sinks, spec.heads);
  if (spec.alibi) key_bias_ = store.to_device(alibi_biases(*spec.alibi, context.length));

  const OpenModel& model = store.model();
  const AttentionQuant quant = open_attention_quant(*model.checkpoint, *model.quant, spec.module);
  if (quant.q_transform) q_heads_.transform = store.transform(*quant.q_transform);
  if (quant.k_transform) k_heads_.transform = store.transform(*quant.k_transform);
  if (as_deployed) q_heads_.quant = quant.q;
  if (as_deployed && context.options.kv_cache) {
    k_heads_.quant = quant.k;
    v_quant_ = quant.v;
  }
}

void Attention::normalize(Device& device, Matrix x, const Heads& heads) const {
  if (heads.norms.size() == 1) return heads.norms[0].apply(device, x, x);
  for (size_t h = 0; h < heads.norms.size(); ++h) {
    const Matrix head{x.data + static_cast<int64_t>(h) * spec_->head_dim, x.rows, spec_->head_dim, x.stride};
    heads.norms[h].apply(device, head, head);
  }
}

/// Norm, rope, rotation and quantization of the heads of q or k, in place.
void Attention::position(RunContext& context, Matrix x, const Heads& heads) const {
  Device& device = context.device;
  if (!spec_->norm_after_rope) normalize(device, x, heads);
  if (spec_->clip > 0) device.clamp(x, static_cast<float>(spec_->clip));
  if (spec_->rope >= 0) {
    const RopeTable& table = context.ropes[spec_->rope];
    const auto& [cos, sin] = context.rope_buffers[spec_->rope];
    device.rope(x, spec_->head_dim, context.positions(x.rows), cos.data(), sin.data(), table.pairs, table.interleaved);
  }
  if (spec_->norm_after_rope) normalize(device, x, heads);
  if (spec_->query_scale && &heads == &q_heads_) scale_queries(context, x);
  if (heads.transform) {
    const Matrix rotated = context.workspace.get("rotated heads", x.rows, x.cols);
    apply_transform(device, *heads.transform, x, rotated);
    device.copy(rotated, x);
  }
  device.quantize(heads.quant, x);
}

void Attention::scale_queries(RunContext& context, Matrix q) const {
  const auto& [beta, length, shift] = *spec_->query_scale;
  std::vector<float> factors(static_cast<size_t>(q.rows));
  for (int64_t r = 0; r < q.rows; ++r) {
    const auto periods = static_cast<double>((r % context.length + shift) / length);
    factors[r] = static_cast<float>(1 + beta * std::log(1 + periods));
  }
  context.device.scale_rows(q, factors);
}

void Attention::run(RunContext& context, Matrix h, Matrix y, bool accumulate) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  StageTimes& times = context.times;
  const Matrix q = workspace.get("q", h.rows, q_.out()), k = workspace.get("k", h.rows, k_.out());
  const Matrix v = workspace.get("v", h.rows, v_.out()), mixed = workspace.get("mixed", h.rows, q_.out());

  const auto inputs = times.time("activations", [&] {
    const Matrix q_in = q_.input().apply(device, workspace, "q input", h, context.length);
    const Matrix k_in =
        k_.input() == q_.input() ? q_in : k_.input().apply(device, workspace, "k input", h, context.length);
    const Matrix v_in =
        v_.input() == q_.input() ? q_in : v_.input().apply(device, workspace, "v input", h, context.length);
    return std::array{q_in, k_in, v_in};
  });
  times.time("linear", [&] {
    q_.apply(device, workspace, inputs[0], q, false);
    k_.apply(device, workspace, inputs[1], k, false);
    v_.apply(device, workspace, inputs[2], v, false);
  });
  times.time("rope", [&] {
    position(context, q, q_heads_);
    position(context, k, k_heads_);
    if (spec_->clip > 0) device.clamp(v, static_cast<float>(spec_->clip));
    device.quantize(v_quant_, v);
  });
  times.time("attention", [&] {
    AttentionShape shape{.heads = spec_->heads, .kv_heads = spec_->kv_heads, .head_dim = spec_->head_dim};
    shape.scale = static_cast<float>(spec_->scale);
    shape.softcap = static_cast<float>(spec_->softcap);
    shape.window = spec_->window;
    shape.chunk = spec_->chunk;
    shape.sinks = sinks_.floats() > 0 ? sinks_.data() : nullptr;
    shape.key_bias = key_bias_.floats() > 0 ? key_bias_.data() : nullptr;
    device.attention(q, k, v, mixed, context.length, shape, context.store.precision());
  });
  Matrix result = mixed;
  if (spec_->gate) {
    result = workspace.get("output gate", h.rows, gate_.out());
    project(context, h, {{gate_, result}});
    times.time("gate", [&] { device.gate(Device::Gate::sigmoid, result, mixed); });
  }
  if (output_norm_) times.time("norm", [&] { output_norm_.apply(device, result, result); });
  const Matrix o_in =
      times.time("activations", [&] { return o_.input().apply(device, workspace, "o input", result, context.length); });
  times.time("linear", [&] { o_.apply(device, workspace, o_in, y, accumulate); });
}

}  // namespace assay

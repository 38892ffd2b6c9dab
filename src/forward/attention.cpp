#include "forward/attention.h"

#include <cmath>

#include "base/error.h"
#include "forward/alibi.h"
#include "forward/project.h"

namespace assay {

Attention::Attention(RunContext& context, const AttentionSpec& spec) : spec_(&spec) {
  WeightStore& store = context.store;
  const bool as_deployed = context.options.as_deployed;
  q_ = Linear(store, spec.q, as_deployed);
  if (spec.k) k_ = Linear(store, spec.k, as_deployed);
  if (spec.v) v_ = Linear(store, spec.v, as_deployed);
  v_norm_ = Norm(store, spec.v_norm);
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
  if (as_deployed) q_heads_.quant = emulated(quant.q);
  if (as_deployed && context.options.kv_cache) {
    k_heads_.quant = emulated(quant.k);
    v_quant_ = emulated(quant.v);
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

/// v after its product, in place.
void Attention::make_values(RunContext& context, Matrix v) const {
  Device& device = context.device;
  if (v_norm_) v_norm_.apply(device, v, v);
  if (spec_->clip > 0) device.clamp(v, static_cast<float>(spec_->clip));
  device.quantize(v_quant_, v);
}

std::pair<Matrix, Matrix> Attention::keys_and_values(RunContext& context, Matrix k, Matrix v) const {
  if (spec_->takes_kv >= 0) {
    KeptKv& kept = context.kept.at(spec_->takes_kv);
    return {kept.k.get(context.first_token, k.rows), kept.v.get(context.first_token, v.rows)};
  }
  context.times.time("rope", [&] {
    if (!spec_->v) context.device.copy(k, v);
    position(context, k, k_heads_);
    make_values(context, v);
  });
  if (spec_->keeps_kv >= 0) {
    KeptKv& kept = context.kept.at(spec_->keeps_kv);
    kept.k.put(context.first_token, k);
    kept.v.put(context.first_token, v);
  }
  return {k, v};
}

void Attention::run(RunContext& context, Matrix h, Matrix y, bool accumulate) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  StageTimes& times = context.times;
  const int64_t kv_width = spec_->kv_heads * spec_->head_dim;
  const Matrix q = workspace.get("q", h.rows, q_.out()), mixed = workspace.get("mixed", h.rows, q_.out());
  const Matrix own_k = workspace.get("k", h.rows, kv_width), own_v = workspace.get("v", h.rows, kv_width);
  const Matrix gate = workspace.get("output gate", h.rows, spec_->gate ? gate_.out() : 0);

  std::vector<Projection> projections = {{q_, q}};
  if (spec_->k) projections.push_back({k_, own_k});
  if (spec_->v) projections.push_back({v_, own_v});
  if (spec_->gate) projections.push_back({gate_, gate});
  project(context, h, projections);
  times.time("rope", [&] { position(context, q, q_heads_); });
  const auto [k, v] = keys_and_values(context, own_k, own_v);
  times.time("attention", [&, &k = k, &v = v] {
    AttentionShape shape{.heads = spec_->heads, .kv_heads = spec_->kv_heads, .head_dim = spec_->head_dim};
    shape.scale = static_cast<float>(spec_->scale);
    shape.softcap = static_cast<float>(spec_->softcap);
    shape.window = spec_->window;
    shape.chunk = spec_->chunk;
    shape.sinks = sinks_.floats() > 0 ? sinks_.data() : nullptr;
    shape.key_bias = key_bias_.floats() > 0 ? key_bias_.data() : nullptr;
    device.attention(q, k, v, mixed, context.length, shape, context.store.precision());
  });
  const Matrix result = spec_->gate ? gate : mixed;
  if (spec_->gate) times.time("gate", [&] { device.gate(Device::Gate::sigmoid, gate, mixed); });
  if (output_norm_) times.time("norm", [&] { output_norm_.apply(device, result, result); });
  project(context, result, o_, y, accumulate);
}

}  // namespace assay

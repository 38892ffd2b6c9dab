#include "forward/latent_attention.h"

#include "base/error.h"
#include "forward/project.h"

namespace assay {

LatentAttention::LatentAttention(RunContext& context, const LatentAttentionSpec& spec) : spec_(&spec) {
  WeightStore& store = context.store;
  const bool as_deployed = context.options.as_deployed;
  if (spec.q_a) {
    q_a_ = Linear(store, *spec.q_a, as_deployed);
    q_norm_ = Norm(store, spec.q_norm);
  }
  q_ = Linear(store, spec.q, as_deployed);
  kv_a_ = Linear(store, spec.kv_a, as_deployed);
  kv_norm_ = Norm(store, spec.kv_norm);
  k_b_ = Linear(store, spec.k_b, as_deployed);
  v_b_ = Linear(store, spec.v_b, as_deployed);
  o_ = Linear(store, spec.o, as_deployed);

  const OpenModel& model = store.model();
  const AttentionQuant quant = open_attention_quant(*model.checkpoint, *model.quant, spec.module);
  if (quant.q_transform || quant.k_transform) {
    fail("{}: rotated queries and keys are not known for latent attention", spec.module);
  }
  if (as_deployed && context.options.kv_cache) cache_quant_ = emulated(quant.k);
}

/// x [rows * heads_per_row, rope_dim]
void LatentAttention::rotate(RunContext& context, Matrix x, int64_t heads_per_row) const {
  const RopeTable& table = context.ropes[spec_->rope];
  const auto& [cos, sin] = context.rope_buffers[spec_->rope];
  std::vector<int32_t> positions;
  positions.reserve(static_cast<size_t>(x.rows));
  for (const int32_t position : context.positions(x.rows / heads_per_row)) {
    positions.insert(positions.end(), static_cast<size_t>(heads_per_row), position);
  }
  context.device.rope(x, spec_->rope_dim, positions, cos.data(), sin.data(), table.pairs, table.interleaved);
}

Matrix LatentAttention::queries(RunContext& context, Matrix h) const {
  const Matrix q = context.workspace.get("q", h.rows, q_.out());
  if (spec_->q_a) {
    const Matrix latent = context.workspace.get("latent q", h.rows, q_a_.out());
    project(context, h, {{q_a_, latent}});
    context.times.time("norm", [&] { q_norm_.apply(context.device, latent, latent); });
    project(context, latent, {{q_, q}});
  } else {
    project(context, h, {{q_, q}});
  }
  const int64_t nope = spec_->nope_dim, rope = spec_->rope_dim;
  context.times.time("rope", [&] {
    rotate(context, {q.data + nope, h.rows * spec_->heads, rope, nope + rope}, spec_->heads);
  });
  return q;
}

std::pair<Matrix, Matrix> LatentAttention::keys_and_values(RunContext& context, Matrix h) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  const int64_t heads = spec_->heads, nope = spec_->nope_dim, rope = spec_->rope_dim, width = spec_->value_dim;
  const int64_t rank = kv_a_.out() - rope;
  const Matrix compressed = workspace.get("compressed kv", h.rows, kv_a_.out());
  const Matrix positioned{compressed.data + rank, h.rows, rope, compressed.stride};
  const Matrix latent = workspace.get("latent kv", h.rows, rank);
  const Matrix unrotated = workspace.get("unrotated k", h.rows, heads * nope);
  const Matrix k = workspace.get("k", h.rows, heads * (nope + rope)), v = workspace.get("v", h.rows, heads * width);

  project(context, h, {{kv_a_, compressed}});
  context.times.time("norm", [&] {
    kv_norm_.apply(device, {compressed.data, h.rows, rank, compressed.stride}, latent);
  });
  context.times.time("rope", [&] {
    rotate(context, positioned, 1);
    // What a cache holds is the latent state and the part with positions.
    device.quantize(cache_quant_, latent);
    device.quantize(cache_quant_, positioned);
  });
  project(context, latent, {{k_b_, unrotated}, {v_b_, v}});
  context.times.time("rope", [&] {
    const int64_t rows = h.rows * heads;
    device.copy({unrotated.data, rows, nope, nope}, {k.data, rows, nope, nope + rope});
    for (int64_t head = 0; head < heads; ++head) {
      device.copy(positioned, {k.data + head * (nope + rope) + nope, h.rows, rope, k.stride});
    }
  });
  return {k, v};
}

void LatentAttention::run(RunContext& context, Matrix h, Matrix y, bool accumulate) const {
  const Matrix q = queries(context, h);
  const auto [k, v] = keys_and_values(context, h);
  const Matrix mixed = context.workspace.get("mixed", h.rows, spec_->heads * spec_->value_dim);
  context.times.time("attention", [&, &k = k, &v = v] {
    AttentionShape shape{.heads = spec_->heads, .kv_heads = spec_->heads};
    shape.head_dim = spec_->nope_dim + spec_->rope_dim;
    shape.value_dim = spec_->value_dim;
    shape.scale = static_cast<float>(spec_->scale);
    context.device.attention(q, k, v, mixed, context.length, shape, context.store.precision());
  });
  project(context, mixed, o_, y, accumulate);
}

}  // namespace assay

#include "forward/plan.h"

#include <fmt/core.h>

#include <algorithm>

namespace assay {

namespace {

int64_t size(const LinearSpec& linear) {
  return linear.out * linear.in;
}
int64_t size(const MlpSpec& mlp) {
  return size(mlp.gate) + size(mlp.up) + size(mlp.down);
}
int64_t size(const AttentionSpec& attention) {
  return size(attention.q) + size(attention.k) + size(attention.v) + size(attention.o);
}

}  // namespace

Plan make_plan(const WeightStore& store, const EvalInput& input, const EvalOptions& options) {
  const ModelSpec& spec = *store.model().spec;
  Plan plan;
  plan.layers = spec.layers.size();
  plan.rows_per_chunk =
      std::clamp<int64_t>((store.device().preferred_rows() + input.length - 1) / input.length, 1, input.rows);

  int64_t largest_block = 0, widest = spec.hidden;
  for (const LayerSpec& layer : spec.layers) {
    largest_block = std::max(largest_block, size(layer.attention));
    widest = std::max({widest, layer.attention.q.out});
    const auto* mlp = std::get_if<MlpSpec>(&layer.mlp);
    const MlpSpec& one = mlp ? *mlp : std::get<MoeSpec>(layer.mlp).experts.at(0);
    largest_block = std::max(largest_block, size(one));
    widest = std::max(widest, one.gate.out);
  }
  const auto tokens = static_cast<double>(input.rows * input.length);
  const LayerSpec& first = spec.layers.at(0);
  const auto* moe = std::get_if<MoeSpec>(&first.mlp);
  plan.attention = tokens * static_cast<double>(size(first.attention) + input.length * first.attention.q.out);
  plan.mlp =
      tokens * static_cast<double>(moe ? moe->top_k * size(moe->experts.at(0)) : size(std::get<MlpSpec>(first.mlp)));
  plan.head = static_cast<double>(input.rows * input.count) * static_cast<double>(size(spec.head));

  // Bytes, from above: a block while it is decoded (once packed, one panel per thread beside it), the next one, the
  // buffers of one chunk (about eight of the widest), and the hidden states.
  const double element = options.precision == Precision::bf16 ? 2 : 4;
  const double block = static_cast<double>(largest_block) * element;
  const double chunk = 8.0 * static_cast<double>(plan.rows_per_chunk * input.length * widest) * 4;
  const double hidden = tokens * static_cast<double>(spec.hidden) * 4 * (moe ? 2 : 1);
  const double fixed = chunk + (256 << 20);
  const auto budget = static_cast<double>(options.memory_bytes);
  plan.spill = fixed + 2 * block + hidden > budget;
  plan.prefetch = fixed + 2 * block + (plan.spill ? 0 : hidden) <= budget;
  constexpr double kGiB = 1 << 30;
  if (plan.spill)
    plan.notes.push_back(fmt::format("hidden states ({:.1f} GiB) are kept in a temporary file", hidden / kGiB));
  if (!plan.prefetch) plan.notes.emplace_back("blocks are not decoded ahead, to save memory");
  if (!plan.prefetch && fixed + block > budget) {
    plan.notes.push_back(fmt::format("one block needs about {:.1f} GiB, more than --memory", (fixed + block) / kGiB));
  }
  return plan;
}

}  // namespace assay

#include "forward/plan.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/linears.h"

namespace assay {

namespace {

/// What one part of a layer needs: weights that are decoded together, the widest activation, weights used per token.
struct Size {
  int64_t block = 0, widest = 0, used = 0;

  void add(const LinearSpec& linear) {
    block += linear.out * linear.in;
    used += linear.out * linear.in;
    widest = std::max({widest, linear.out, linear.in});
  }
  template <class Spec>
  static Size of(const Spec& spec) {
    Size size;
    for_each_linear(spec, [&](const LinearSpec& linear) { size.add(linear); });
    return size;
  }
};

/// Experts are decoded one by one, and a token passes through a few of them.
Size size_of_mlp(const FeedForwardSpec& mlp) {
  const auto* moe = std::get_if<MoeSpec>(&mlp);
  if (!moe) return Size::of(mlp);
  Size size = Size::of(FeedForwardSpec(moe->experts.at(0)));
  const Size shared = moe->shared ? Size::of(FeedForwardSpec(*moe->shared)) : Size{};
  size.used = moe->routing.top_k * size.used + shared.used;
  size.block = std::max(size.block, shared.block);
  size.widest = std::max(size.widest, shared.widest);
  return size;
}

}  // namespace

Plan make_plan(const WeightStore& store, const EvalInput& input, const EvalOptions& options) {
  const ModelSpec& spec = *store.model().spec;
  Plan plan;
  plan.rows_per_chunk =
      std::clamp<int64_t>((store.device().preferred_rows() + input.length - 1) / input.length, 1, input.rows);

  const auto tokens = static_cast<double>(input.rows * input.length);
  int64_t largest_block = 0, widest = spec.stream_width();
  int64_t kept = spec.layer_inputs ? spec.layer_inputs->layers * spec.layer_inputs->width : 0;
  bool moe = false;
  double before = 0;
  for (const LayerSpec& layer : spec.layers) {
    const Size mixer = Size::of(layer.mixer), mlp = size_of_mlp(layer.mlp);
    largest_block = std::max({largest_block, layer.one_block() ? mixer.block + mlp.block : mixer.block, mlp.block});
    widest = std::max({widest, mixer.widest, mlp.widest});
    if (const auto* attention = std::get_if<AttentionSpec>(&layer.mixer); attention && attention->keeps_kv >= 0)
      kept += 2 * attention->kv_heads * attention->head_dim;
    moe = moe || std::holds_alternative<MoeSpec>(layer.mlp);
    plan.before.push_back(before);
    plan.work.push_back({tokens * static_cast<double>(mixer.used + input.length * mixer.widest),
                         tokens * static_cast<double>(mlp.used)});
    before += plan.work.back().mixer + plan.work.back().mlp;
  }
  plan.before.push_back(before);
  plan.head = static_cast<double>(input.rows * input.count) * static_cast<double>(spec.head.out * spec.head.in);

  // Bytes, from above: a block while it is decoded (once packed, one panel per thread beside it), the next one, the
  // buffers of one chunk (about eight of the widest), and the hidden states.
  const double element = options.precision == Precision::bf16 ? 2 : 4;
  const double block = static_cast<double>(largest_block) * element;
  const double chunk = 8.0 * static_cast<double>(plan.rows_per_chunk * input.length * widest) * 4;
  const double hidden = tokens * static_cast<double>(spec.stream_width() * (moe ? 2 : 1) + kept) * 4;
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

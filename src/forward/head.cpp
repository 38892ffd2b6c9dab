#include "forward/head.h"

#include <algorithm>
#include <future>

#include "base/error.h"

namespace assay {

namespace {

/// Norms the scored positions and packs them to the front; returns the ids that they predict.
std::vector<int32_t> pack_scored(RunContext& context, const Norm& norm, const EvalInput& input, HiddenStates& hidden) {
  std::vector<int32_t> targets;
  for (int64_t row = 0; row < input.rows; ++row) {
    const int64_t from = row * input.length + input.first, to = row * input.count;
    const Matrix normed = context.workspace.get("normed", input.count, hidden.width());
    norm.apply(context.device, hidden.get(from, input.count), normed);
    hidden.put(to, normed);  // to <= from: nothing unread is overwritten
    const auto ids = input.ids.subspan(static_cast<size_t>(from) + 1, static_cast<size_t>(input.count));
    targets.insert(targets.end(), ids.begin(), ids.end());
  }
  return targets;
}

/// Vocabulary rows that are decoded at once: about 64 MiB of float32.
int64_t tile_rows(const StoredWeight& head) {
  constexpr int64_t kTileFloats = int64_t{16} << 20;
  const int64_t alignment = std::max<int64_t>(64, head.row_alignment());
  return std::clamp<int64_t>(kTileFloats / head.cols() / alignment * alignment, alignment, 64 * alignment);
}

}  // namespace

void score(RunContext& context, const Norm& norm, const EvalInput& input, HiddenStates& hidden, const Plan& plan,
           EvalResult& result, const std::function<void(double fraction)>& progress) {
  Device& device = context.device;
  const LinearSpec& spec = context.store.model().spec->head;
  const StoredWeight& head = context.store.of(spec);
  const auto targets = context.times.time("norm", [&] { return pack_scored(context, norm, input, hidden); });
  std::vector<LogitSummary> state(targets.size());
  const auto scored = static_cast<int64_t>(targets.size());
  const LinearInput head_input(context.store, head, context.options.as_deployed);
  if (head.output_transform() || (context.options.as_deployed && head.output_quant().active()))
    head.module().refuse("quantization or rotation of the logits themselves is not supported");

  const int64_t step = tile_rows(head);
  const auto load = [&](int64_t first) {
    return std::async(plan.prefetch ? std::launch::async : std::launch::deferred, [&, first] {
      const int64_t rows = std::min(step, spec.out - first);
      return device.prepare(head, spec.first_row + first, rows, context.store.precision());
    });
  };
  auto next = load(0);
  for (int64_t first = 0; first < spec.out; first += step) {
    const auto weight = context.times.time("wait for weights", [&] { return next.get(); });
    if (first + step < spec.out) next = load(first + step);
    const int64_t chunk = plan.rows_per_chunk * input.count;
    for (int64_t t = 0; t < scored; t += chunk) {
      const int64_t count = std::min(chunk, scored - t);
      const Matrix x = head_input.apply(device, context.workspace, "head input", hidden.get(t, count), input.count);
      context.times.time("head", [&] {
        device.reduce_logits(x, *weight, first, std::span(targets).subspan(t, count),
                             std::span(state).subspan(t, count));
      });
      progress(
          (static_cast<double>(first) + static_cast<double>(weight->rows * (t + count)) / static_cast<double>(scored)) /
          static_cast<double>(spec.out));
    }
  }
  for (size_t i = 0; i < state.size(); ++i) {
    if (!state[i].finite) {
      fail("{}: NaN or Inf among the logits of row {}, position {}: the head's weights or scales are damaged",
           spec.module, static_cast<int64_t>(i) / input.count, input.first + static_cast<int64_t>(i) % input.count);
    }
    result.nll.push_back(state[i].nll());
    result.top.push_back(state[i].top);
  }
}

}  // namespace assay

#include "forward/context.h"

#include <chrono>

namespace assay {

double StageTimes::now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<int32_t> RunContext::positions(int64_t rows) const {
  std::vector<int32_t> positions(static_cast<size_t>(rows));
  for (int64_t r = 0; r < rows; ++r) positions[r] = static_cast<int32_t>(r % length);
  return positions;
}

void keep_kv(RunContext& context, int64_t tokens, bool spill) {
  for (const LayerSpec& layer : context.store.model().spec->layers) {
    const auto* attention = std::get_if<AttentionSpec>(&layer.mixer);
    if (!attention || attention->keeps_kv < 0) continue;
    const int64_t width = attention->kv_heads * attention->head_dim;
    context.kept.emplace(attention->keeps_kv, KeptKv{HiddenStates(context.device, tokens, width, spill),
                                                     HiddenStates(context.device, tokens, width, spill)});
  }
}

RunContext make_context(Device& device, WeightStore& store, const EvalOptions& options, int64_t length) {
  RunContext context{device, store, Workspace(device), {}, options, length, {}, {}, 0, {}, {}};
  for (const RopeSpec& rope : store.model().spec->ropes) {
    const RopeTable& table = context.ropes.emplace_back(make_rope_table(rope, length));
    context.rope_buffers.emplace_back(store.to_device(table.cos), store.to_device(table.sin));
  }
  return context;
}

}  // namespace assay

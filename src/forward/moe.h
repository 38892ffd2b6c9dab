#pragma once
#include <functional>

#include "forward/blocks.h"
#include "forward/hidden.h"

namespace assay {

/// Which expert sees which tokens, and with what weight.
struct Routing {
  struct Expert {
    std::vector<int32_t> tokens;  // ascending
    std::vector<float> weights;
  };
  std::vector<Expert> experts;
};

/// Softmax over all experts in float32, the top_k largest (the lower index on ties), divided by their sum if
/// `renormalize`. logits [tokens, experts]; tokens are numbered from `first_token`.
void route(const float* logits, int64_t tokens, int64_t experts, const MoeSpec& spec, int64_t first_token,
           Routing& routing);

/// x += sum of the chosen experts' weighted outputs on norm(x), for all tokens. Streams expert by expert: the next
/// expert is decoded behind the current one's products, and one that no token chose is never decoded.
void run_moe(RunContext& context, const LayerSpec& layer, HiddenStates& hidden, bool spill, bool prefetch,
             const std::function<void(double fraction)>& progress);

}  // namespace assay

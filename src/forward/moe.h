#pragma once
#include <functional>

#include "forward/context.h"
#include "forward/hidden.h"

namespace assay {

/// Runs the branch of a mixture of experts on all tokens. Streams expert by expert: the next expert is decoded behind
/// the current one's products, and one that no token chose is never decoded.
void run_moe(RunContext& context, const LayerSpec& layer, HiddenStates& hidden, bool spill, bool prefetch,
             const std::function<void(double fraction)>& progress);

}  // namespace assay

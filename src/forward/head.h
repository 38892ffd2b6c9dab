#pragma once
#include <functional>

#include "forward/blocks.h"
#include "forward/hidden.h"
#include "forward/plan.h"

namespace assay {

/// Final norm, head and statistics of the scored positions. Logits exist only as tiles of tokens x vocabulary. The
/// hidden states are overwritten with the normed states of the scored positions, packed to the front.
void score(RunContext& context, const Norm& norm, const EvalInput& input, HiddenStates& hidden, const Plan& plan,
           EvalResult& result, const std::function<void(double fraction)>& progress);

}  // namespace assay

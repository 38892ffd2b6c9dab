#pragma once
#include <cstdint>

#include "forward/hidden.h"

namespace assay {

/// Multiplies every element by 1 + sigma * N(0, 1). The numbers depend on layer, token and component alone, so that
/// they are the same for any batching and number of threads.
void add_noise(Device& device, HiddenStates& hidden, int64_t layer, double sigma);

}  // namespace assay

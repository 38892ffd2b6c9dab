#pragma once
#include <cstdint>
#include <span>

#include "forward/hidden.h"
#include "forward/linear.h"

namespace assay {

/// hidden[t] = embedding[ids[t]]. Decodes only the tiles of the vocabulary that occur.
void embed(const WeightStore& store, std::span<const int32_t> ids, HiddenStates& hidden);

}  // namespace assay

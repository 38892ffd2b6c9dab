#pragma once
#include <cstdint>
#include <span>

#include "forward/context.h"
#include "forward/hidden.h"

namespace assay {

/// The input of the first layer: embedded tokens, and what ModelSpec::input makes of them. Decodes only the tiles of
/// the vocabulary that occur.
void embed(RunContext& context, std::span<const int32_t> ids, HiddenStates& hidden);

}  // namespace assay

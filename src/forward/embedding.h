#pragma once
#include <cstdint>
#include <span>

#include "forward/context.h"
#include "forward/hidden.h"

namespace assay {

/// rows[t] = embedding[ids[t]].
void look_up(const StoredWeight& embedding, std::span<const int32_t> ids, HiddenStates& rows);

/// The input of the first layer: embedded tokens, and what ModelSpec::input makes of them. Decodes only the tiles of
/// the vocabulary that occur.
void embed(RunContext& context, std::span<const int32_t> ids, HiddenStates& hidden, bool spill);

}  // namespace assay

#pragma once
#include "model/arch/arch.h"

namespace assay {

/// All Granites: factors of embeddings, scores, branches and logits.
Decoder read_granite(Source& source, const DecoderDefaults& defaults = {});
/// A mixture whose experts are stacked: input_linear [experts, 2 * intermediate, hidden], output_linear.
MoeSpec granite_moe(const Source& source, const Decoder& decoder, int64_t layer, const MoeShape& shape);
MoeShape read_granite_moe(Keys& keys);

}  // namespace assay

#pragma once
#include "model/arch/arch.h"

namespace assay {

/// Expert `expert` of stacks that are stored transposed: `stack`.gate_up_proj [experts, hidden, 2 * intermediate] with
/// the gates first, `stack`.down_proj [experts, intermediate, hidden].
MlpSpec transposed_expert(const Source& source, const Decoder& decoder, const std::string& stack, const MoeShape& shape,
                          int64_t expert);

}  // namespace assay

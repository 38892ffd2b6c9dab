#pragma once
#include "model/arch/arch.h"

namespace assay {

/// No published mixture of Qwen has windows, and versions of the library disagree on the layers that would.
void refuse_qwen_windows(Keys& keys);
/// Experts below "mlp" in the layers that have them.
ModelSpec build_qwen_moe(const Source& source, const Decoder& decoder, MoeShape shape);

}  // namespace assay

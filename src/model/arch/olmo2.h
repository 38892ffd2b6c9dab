#pragma once
#include "model/arch/arch.h"

namespace assay {

/// OLMo 2 and 3: only what attention and MLP add is normed, and q and k over all heads at once.
Decoder read_olmo2(Source& source, const RopeDefaults& rope, double norm_eps = 1e-5);

}  // namespace assay

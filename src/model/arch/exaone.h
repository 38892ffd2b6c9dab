#pragma once
#include "model/arch/arch.h"

namespace assay {

/// EXAONE from 4 on: normed q and k, and, in models with windows, no rope on global layers. `window` is that of a
/// config which does not say.
Decoder read_exaone4(Source& source, int64_t window);

}  // namespace assay

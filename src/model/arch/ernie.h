#pragma once
#include "model/arch/arch.h"

namespace assay {

/// ERNIE 4.5: Llama with an interleaved rope, and biases everywhere by one key.
Decoder read_ernie(Source& source);

}  // namespace assay

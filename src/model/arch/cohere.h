#pragma once
#include "model/arch/arch.h"

namespace assay {

/// Command R and its successors: attention and MLP side by side behind one layer norm, an interleaved rope, scaled
/// logits, a tied head.
Decoder read_cohere(Source& source, double theta);

}  // namespace assay

#pragma once
#include "model/arch/arch.h"

namespace assay {

/// What all Gemmas share: scaled embeddings, norms with weights (1 + w), tanh GELU, a tied head.
Decoder read_gemma(Source& source, DecoderDefaults defaults = {});

/// From Gemma 2 on: four norms in a layer, and scores scaled by a key.
void use_gemma2_layers(Source& source, Decoder& decoder);

}  // namespace assay

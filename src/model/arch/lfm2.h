#pragma once
#include "model/arch/arch.h"

namespace assay {

/// LFM2's decoder, with short convolutions or attention in its layers.
Decoder read_lfm2(Source& source, const char* intermediate_key);
ModelSpec build_lfm2(const Source& source, const Decoder& decoder,
                     const std::function<FeedForwardSpec(int64_t layer)>& feed_forward);

}  // namespace assay

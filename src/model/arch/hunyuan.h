#pragma once
#include "model/arch/arch.h"

namespace assay {

/// Hunyuan V1: Llama with q and k normed after rope.
Decoder read_hunyuan(Source& source);
LayerSpec hunyuan_layer(const Source& source, const Decoder& decoder, int64_t layer, FeedForwardSpec mlp);

}  // namespace assay

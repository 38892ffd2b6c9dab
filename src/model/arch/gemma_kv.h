#pragma once
#include "model/arch/arch.h"

namespace assay {

/// What Gemma 3n and 4 share beside Gemma's layers.

/// For each layer the one whose k and v it uses, -1 = its own: the last num_kv_shared_layers take those of the last
/// layer before them that is of their kind.
std::vector<int64_t> read_shared_kv(Keys& keys, const std::vector<int64_t>& windows);
/// Attention with normed q and k and v normed without weights, which keeps or takes k and v accordingly. `has_v`: v is
/// not made of what k_proj gives.
AttentionSpec shared_attention(const Source& source, const Decoder& decoder, int64_t layer,
                               const std::vector<int64_t>& shared, bool has_v);

/// A second embedding of each token, of which every layer has a part.
LayerInputsSpec layer_inputs(Source& source, const Decoder& decoder, int64_t width);
LayerInputSpec layer_input(const Source& source, const Decoder& decoder, int64_t layer, int64_t width);

}  // namespace assay

#pragma once
#include "model/arch/arch.h"

namespace assay {

/// GPT-2's kin: layer norms with biases, an MLP without a gate, keys like n_embd and names like h.0.ln_1.
DecoderDefaults gpt_defaults();
Decoder read_gpt(Source& source, const DecoderDefaults& defaults);
/// GPT-J's: attention and MLP side by side behind one norm, an interleaved rope on the first components of each head,
/// no biases but in the MLP and the head.
Decoder read_gptj(Source& source, DecoderDefaults defaults);
/// The model, with learned positions `module` of which the first `offset` rows are not used.
ModelSpec build_with_positions(const Source& source, const Decoder& decoder, const char* module, int64_t offset,
                               const std::function<LayerSpec(int64_t)>& layer = {});

/// Slopes of ALiBi as BLOOM has them (the powers of one power of two of heads, then odd ones of the next).
std::vector<double> bloom_slopes(int64_t heads);

}  // namespace assay

#pragma once
#include "model/arch/arch.h"

namespace assay {

/// All Granites: factors of embeddings, scores, branches and logits.
Decoder read_granite(Source& source, const DecoderDefaults& defaults = {});
/// A mixture whose experts are stacked: input_linear [experts, 2 * intermediate, hidden], output_linear.
MoeSpec granite_moe(const Source& source, const Decoder& decoder, int64_t layer, const MoeShape& shape);
MoeShape read_granite_moe(Keys& keys);
/// An MLP that sees every token beside the experts, where the config has one.
void add_shared_mlp(const Source& source, const Decoder& decoder, int64_t layer, MoeSpec& moe);

/// The models with windows: three of four layers have one, each layer has a rope of its own base or none, and a logit
/// of each head takes part in the softmax.
Decoder read_granite_swa(Source& source, const DecoderDefaults& defaults = {});
void add_sinks(const Source& source, const Decoder& decoder, int64_t layer, AttentionSpec& attention);

}  // namespace assay

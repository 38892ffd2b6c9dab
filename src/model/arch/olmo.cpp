#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with layer norms that have no weights, and bounds for q, k and v.
ModelSpec olmo(Source& source) {
  DecoderDefaults defaults{.norm_eps = 1e-5, .layer_norm = true};
  defaults.keys.norm_eps = nullptr;
  Decoder decoder = read_decoder(source, defaults);
  decoder.norm.weight = false;
  decoder.qkv_bias = decoder.o_bias = source.keys.boolean_or("attention_bias", false);
  decoder.clip_qkv = source.keys.positive_or_none("clip_qkv", 0);
  return build(source, decoder);
}

}  // namespace assay::arch

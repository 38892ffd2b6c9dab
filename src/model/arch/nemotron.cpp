#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with layer norms whose weights are (1 + w), a rope on half of each head and an MLP without a gate.
ModelSpec nemotron(Source& source) {
  DecoderDefaults defaults{.norm_eps = 1e-5, .layer_norm = true, .norm_bias = true, .activation = "relu2"};
  defaults.keys.norm_eps = "norm_eps";
  defaults.rope.partial = 0.5;
  Decoder decoder = read_decoder(source, defaults);
  decoder.norm.weight_offset = 1;
  decoder.qkv_bias = decoder.o_bias = source.keys.boolean_or("attention_bias", false);
  decoder.mlp_bias = source.keys.boolean_or("mlp_bias", false);
  decoder.gated = false;
  return build(source, decoder);
}

}  // namespace assay::arch

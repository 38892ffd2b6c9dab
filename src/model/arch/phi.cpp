#include "model/arch/arch.h"

namespace assay::arch {

/// Phi 1 and 2: attention and MLP side by side behind one layer norm, biases everywhere, the head too.
ModelSpec phi(Source& source) {
  DecoderDefaults defaults{.norm_eps = 1e-5, .layer_norm = true, .norm_bias = true, .activation = "gelu_new"};
  defaults.keys.norm_eps = "layer_norm_eps";
  defaults.rope.partial = 0.5;
  Decoder decoder = read_decoder(source, defaults);
  decoder.qkv_bias = decoder.o_bias = decoder.mlp_bias = decoder.head_bias = true;
  decoder.gated = false;
  decoder.parallel = true;
  if (source.keys.boolean_or("qk_layernorm", false)) decoder.qk_norm = Decoder::QkNorm::head;
  Names& names = decoder.names;
  names.final_norm = "final_layernorm";
  names.mlp_norm = names.attention_norm;
  names.o = "dense";
  names.q_norm = "q_layernorm";
  names.k_norm = "k_layernorm";
  names.up = "fc1";
  names.down = "fc2";
  return build(source, decoder);
}

}  // namespace assay::arch

#include "model/arch/arch.h"

namespace assay::arch {

/// Layer norms, biases everywhere but in the head, q, k and v of each head side by side, squared ReLU.
ModelSpec persimmon(Source& source) {
  DecoderDefaults defaults{.norm_eps = 1e-5, .layer_norm = true, .norm_bias = true, .activation = "relu2"};
  defaults.keys.norm_eps = "layer_norm_eps";
  defaults.rope = {.theta = 25000, .partial = 0.5};
  Decoder decoder = read_decoder(source, defaults);
  decoder.qkv_bias = decoder.o_bias = decoder.mlp_bias = true;
  decoder.gated = false;
  decoder.qkv_layout = Decoder::Qkv::by_kv_head;
  if (source.keys.boolean_or("qk_layernorm", true)) decoder.qk_norm = Decoder::QkNorm::head;
  Names& names = decoder.names;
  names.final_norm = "final_layernorm";
  names.qkv = "query_key_value";
  names.o = "dense";
  names.q_norm = "q_layernorm";
  names.k_norm = "k_layernorm";
  names.up = "dense_h_to_4h";
  names.down = "dense_4h_to_h";
  return build(source, decoder);
}

}  // namespace assay::arch

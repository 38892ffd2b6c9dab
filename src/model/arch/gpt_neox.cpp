#include "model/arch/arch.h"

namespace assay::arch {

/// Layer norms, biases, q, k and v of each head side by side, a rope on a part of each head; attention and MLP side by
/// side, each behind its own norm, or one after the other.
ModelSpec gpt_neox(Source& source) {
  Keys& keys = source.keys;
  DecoderDefaults defaults{.norm_eps = 1e-5, .layer_norm = true, .norm_bias = true, .activation = "gelu"};
  defaults.keys.norm_eps = "layer_norm_eps";
  defaults.rope = {.theta = keys.positive_or("rotary_emb_base", 10000),
                   .partial = keys.positive_or("rotary_pct", 0.25)};
  Names& names = defaults.names;
  names.plain = "gpt_neox.";
  names.embedding = "embed_in";
  names.final_norm = "final_layer_norm";
  names.attention = "attention";
  names.qkv = "query_key_value";
  names.o = "dense";
  names.up = "dense_h_to_4h";
  names.down = "dense_4h_to_h";
  Decoder decoder = read_decoder(source, defaults);
  decoder.qkv_bias = decoder.o_bias = keys.boolean_or("attention_bias", true);
  decoder.mlp_bias = true;
  decoder.gated = false;
  decoder.qkv_layout = Decoder::Qkv::by_kv_head;
  decoder.parallel = keys.boolean_or("use_parallel_residual", true);
  return build(source, decoder);
}

}  // namespace assay::arch

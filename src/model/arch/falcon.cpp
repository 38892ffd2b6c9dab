#include <cmath>

#include "model/arch/gpt.h"

namespace assay::arch {

namespace {

/// Three generations: one key and value for all heads (7B), for groups of heads (40B and on), or for each head (RW).
int64_t read_kv_heads(Keys& keys, bool groups) {
  const bool one = keys.boolean_or("multi_query", true);
  const char* key = !keys.has("num_kv_heads") && keys.has("n_head_kv") ? "n_head_kv" : "num_kv_heads";
  const int64_t stored = keys.size_or(key, 0);
  if (groups) return stored;
  return one ? 1 : 0;
}

/// Scores and their bias are divided by sqrt(head_dim) together. The library's eager path adds the bias twice; its
/// fused path and the model's own code add it once, as here, with the products rounded to bf16.
AlibiSpec alibi_of(const Decoder& decoder) {
  return {.slopes = bloom_slopes(decoder.heads), .factor = decoder.score_scale, .bf16 = true};
}

void use_norms(Keys& keys, bool groups, Decoder& d) {
  const int64_t norms = keys.count_or("num_ln_in_parallel_attn", groups ? 2 : 1);
  if (norms < 1 || norms > 2) keys.refuse("num_ln_in_parallel_attn", "1 or 2");
  d.parallel = groups || keys.boolean_or("parallel_attn", true);
  if (groups && norms == 2) {
    d.names.attention_norm = "ln_attn";
    d.names.mlp_norm = "ln_mlp";
  } else if (d.parallel) {
    d.names.mlp_norm = d.names.attention_norm;
  }
}

}  // namespace

ModelSpec falcon(Source& source) {
  Keys& keys = source.keys;
  const bool groups = keys.boolean_or("new_decoder_architecture", false), alibi = keys.boolean_or("alibi", false);
  DecoderDefaults defaults = gpt_defaults();
  defaults.activation = "gelu";
  defaults.tied = true;
  defaults.has_rope = !alibi;
  defaults.kv_heads = read_kv_heads(keys, groups);
  defaults.keys = {.intermediate = "ffn_hidden_size",
                   .kv_heads = nullptr,
                   .norm_eps = "layer_norm_epsilon",
                   .activation = "activation"};
  if (keys.has("n_head")) defaults.keys.heads = "n_head";
  if (keys.has("n_layer")) defaults.keys.layers = "n_layer";
  Names& names = defaults.names;
  names.embedding = "word_embeddings";
  names.attention = "self_attention";
  names.qkv = "query_key_value";
  names.o = "dense";
  names.up = "dense_h_to_4h";
  names.down = "dense_4h_to_h";
  names.attention_norm = "input_layernorm";
  names.mlp_norm = "post_attention_layernorm";
  keys.ignore({"parallel_attn", "rope_theta", "rope_scaling", "rope_parameters"});  // of no use with some of the others
  Decoder decoder = read_gpt(source, defaults);
  decoder.qkv_bias = decoder.o_bias = decoder.mlp_bias = keys.boolean_or("bias", false);
  decoder.qkv_layout = Decoder::Qkv::by_kv_head;
  use_norms(keys, groups, decoder);
  return build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    if (alibi) spec.attention().alibi = alibi_of(decoder);
    return spec;
  });
}

}  // namespace assay::arch

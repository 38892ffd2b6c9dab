#include "model/arch/gpt.h"

namespace assay::arch {

/// ALiBi instead of positions, a norm of the embeddings, q, k and v of each head side by side.
ModelSpec bloom(Source& source) {
  Keys& keys = source.keys;
  DecoderDefaults defaults = gpt_defaults();
  defaults.tied = true;
  defaults.activation = nullptr;
  defaults.keys = {.hidden = "n_embed",
                   .intermediate = nullptr,
                   .layers = "n_layer",
                   .heads = "n_head",
                   .kv_heads = nullptr,
                   .positions = "seq_length",
                   .norm_eps = "layer_norm_epsilon"};
  if (keys.has("hidden_size")) defaults.keys.hidden = "hidden_size";
  if (keys.has("num_attention_heads")) defaults.keys.heads = "num_attention_heads";
  keys.ignore({"n_embed", "n_head", "num_attention_heads", "hidden_size"});  // the same under other names
  Names& names = defaults.names;
  names.embedding = "word_embeddings";
  names.attention = "self_attention";
  names.qkv = "query_key_value";
  names.o = "dense";
  names.up = "dense_h_to_4h";
  names.down = "dense_4h_to_h";
  names.attention_norm = "input_layernorm";
  names.mlp_norm = "post_attention_layernorm";
  Decoder decoder = read_gpt(source, defaults);
  decoder.activation = Activation::gelu_tanh;
  decoder.qkv_layout = Decoder::Qkv::by_kv_head;
  const AlibiSpec alibi{.slopes = bloom_slopes(decoder.heads)};
  const bool from_normed = keys.boolean_or("apply_residual_connection_post_layernorm", false);
  ModelSpec model = build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    spec.attention().alibi = alibi;
    spec.mixer_branch.from_normed = spec.mlp_branch.from_normed = from_normed;
    return spec;
  });
  model.input.norm = source.norm("word_embeddings_layernorm", decoder.hidden, decoder.norm);
  return model;
}

}  // namespace assay::arch

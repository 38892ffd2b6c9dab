#include <bit>
#include <cmath>

#include "model/arch/gpt.h"

namespace assay::arch {

namespace {

/// Of a number of heads that is no power of two, every second slope of the next power comes first. The library takes
/// 8 for alibi_bias_max whatever the config says, the model's own code what it says, as here.
std::vector<double> slopes_of(int64_t heads, double largest) {
  const auto power = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(heads)));
  std::vector<double> slopes;
  const auto add = [&](int64_t k) {
    if (static_cast<int64_t>(slopes.size()) < heads)
      slopes.push_back(std::exp2(-largest * static_cast<double>(k) / static_cast<double>(power)));
  };
  if (power == heads) {
    for (int64_t k = 1; k <= power; ++k) add(k);
  } else {
    for (int64_t k = 2; k <= power; k += 2) add(k);
    for (int64_t k = 1; k <= power; k += 2) add(k);
  }
  return slopes;
}

/// What no published model has and no runtime agrees on.
void refuse_options(Keys& keys, Keys& attention) {
  if (!attention.boolean_or("alibi", false)) attention.refuse("alibi", "true: without it the model has no positions");
  if (attention.boolean_or("qk_ln", false)) attention.refuse("qk_ln", "false");
  if (attention.boolean_or("prefix_lm", false)) attention.refuse("prefix_lm", "false");
  if (attention.string_or("attn_type", "multihead_attention") != "multihead_attention")
    attention.refuse("attn_type", "multihead_attention");
  if (!keys.boolean_or("no_bias", true)) keys.refuse("no_bias", "true");
  if (keys.string_or("norm_type", "low_precision_layernorm").find("layernorm") == std::string::npos)
    keys.refuse("norm_type", "low_precision_layernorm or layernorm");
  if (keys.has("logit_scale")) keys.refuse("logit_scale", "null");
  // Positions are learned only where there is no ALiBi.
  keys.ignore({"learned_pos_emb", "embedding_fraction"});
}

}  // namespace

ModelSpec mpt(Source& source) {
  Keys& keys = source.keys;
  Keys* attention = keys.section("attn_config");
  if (!attention) keys.refuse("attn_config", "an object that describes the attention");
  refuse_options(keys, *attention);
  DecoderDefaults defaults = gpt_defaults();
  defaults.tied = true;
  defaults.norm_bias = false;
  defaults.activation = nullptr;
  defaults.mlp_ratio = keys.size_or("expansion_ratio", 4);
  defaults.keys = {.hidden = "d_model",
                   .intermediate = nullptr,
                   .layers = "n_layers",
                   .heads = "n_heads",
                   .kv_heads = nullptr,
                   .positions = "max_seq_len",
                   .norm_eps = "layer_norm_epsilon"};
  Names& names = defaults.names;
  names.layers = "blocks";
  names.final_norm = "norm_f";
  names.qkv = "Wqkv";
  names.o = "out_proj";
  names.mlp = "ffn";
  names.attention_norm = "norm_1";
  names.mlp_norm = "norm_2";
  Decoder decoder = read_gpt(source, defaults);
  decoder.activation = Activation::gelu;
  decoder.qkv_bias = decoder.o_bias = decoder.mlp_bias = false;
  decoder.clip_qkv = attention->positive_or_none("clip_qkv", 0);
  decoder.score_scale = attention->positive_or("softmax_scale", decoder.score_scale);
  const AlibiSpec alibi{.slopes = slopes_of(decoder.heads, attention->positive_or("alibi_bias_max", 8))};
  return build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    spec.attention().alibi = alibi;
    return spec;
  });
}

}  // namespace assay::arch

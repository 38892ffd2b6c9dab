#include <fmt/core.h>

#include <algorithm>

#include "model/arch/state_space.h"

namespace assay::arch {

namespace {

/// Which layers have attention: `attn_layer_indices`, or the kind of each layer.
std::vector<bool> read_attention_layers(Keys& keys, int64_t layers) {
  const char* key = keys.has("layers_block_type") ? "layers_block_type" : "layer_types";
  const std::vector<std::string> types = keys.strings(key);
  std::vector<bool> attends(static_cast<size_t>(layers));
  const std::vector<int64_t> listed = keys.integers("attn_layer_indices");
  keys.ignore({"layer_types"});
  if (types.empty()) {
    for (const int64_t layer : listed) {
      if (layer < 0 || layer >= layers) keys.refuse("attn_layer_indices", fmt::format("layers up to {}", layers - 1));
      attends[static_cast<size_t>(layer)] = true;
    }
    return attends;
  }
  bool fits = types.size() == attends.size();
  for (size_t i = 0; fits && i < types.size(); ++i) {
    attends[i] = types[i] == "attention" || types[i] == "full_attention";
    fits = attends[i] || types[i] == "mamba" || types[i] == "linear_attention";
  }
  if (!fits) keys.refuse(key, fmt::format("attention or mamba for each of {} layers", layers));
  return attends;
}

}  // namespace

/// Mamba-2 mixers in most layers, attention with a rope on half of each head in the others, an MLP in each.
ModelSpec bamba(Source& source) {
  Keys& keys = source.keys;
  keys.ignore({"partial_rotary_factor", "attn_rotary_emb", "z_loss_coefficient"});  // always a half
  Decoder d = read_decoder(
      source, {.norm_eps = 1e-5,
               .kv_heads = 8,
               .rope = {.partial = 0.5},
               .names = {.final_norm = "final_layernorm", .mlp = "feed_forward", .mlp_norm = "pre_ff_layernorm"}});
  if (d.activation != Activation::silu) keys.refuse("hidden_act", "silu");
  d.qkv_bias = d.o_bias = keys.boolean_or("attention_bias", false);
  d.mlp_bias = keys.boolean_or("mlp_bias", false);
  const int64_t width = keys.size_or("mamba_expand", 2) * d.hidden;
  Mamba2Shape shape =
      read_mamba2(keys, {"mamba_n_heads", "mamba_d_head", "mamba_n_groups", "mamba_d_state", "mamba_d_conv"}, width);
  shape.in_bias = shape.out_bias = keys.boolean_or("mamba_proj_bias", false);
  shape.conv_bias = keys.boolean_or("mamba_conv_bias", true);
  shape.norm_parts = shape.groups;
  const std::vector<bool> attends = read_attention_layers(keys, d.layers);
  return build(source, d, [&](int64_t layer) {
    FeedForwardSpec ff = mlp(source, d, layer_name(d, layer, d.names.mlp), d.intermediate);
    if (attends[static_cast<size_t>(layer)]) return decoder_layer(source, d, layer, std::move(ff));
    return decoder_layer(source, d, layer, mamba2(source, d, layer_name(d, layer, "mamba"), shape), std::move(ff));
  });
}

}  // namespace assay::arch

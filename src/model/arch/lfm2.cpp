#include <fmt/core.h>

#include <algorithm>

#include "model/arch/lfm2.h"
#include "model/arch/state_space.h"

namespace assay {

namespace {

std::vector<bool> read_conv_layers(Keys& keys, int64_t layers) {
  const std::vector<std::string> types = keys.strings("layer_types");
  std::vector<bool> conv(static_cast<size_t>(layers), true);
  if (types.empty()) {
    const bool listed = keys.has("full_attn_idxs");
    if (!listed) return std::vector<bool>(static_cast<size_t>(layers), false);
    for (const int64_t layer : keys.integers("full_attn_idxs")) {
      if (layer < 0 || layer >= layers) keys.refuse("full_attn_idxs", fmt::format("layers from 0 to {}", layers - 1));
      conv[layer] = false;
    }
    return conv;
  }
  keys.ignore({"full_attn_idxs"});
  if (types.size() != conv.size()) keys.refuse("layer_types", fmt::format("one entry for each of {} layers", layers));
  for (size_t i = 0; i < conv.size(); ++i) {
    conv[i] = types[i] == "conv";
    if (!conv[i] && types[i] != "full_attention") keys.refuse("layer_types", "full_attention or conv");
  }
  return conv;
}

/// What is configured is the size of an MLP without a gate that would cost as much.
int64_t read_intermediate(Keys& keys, int64_t configured) {
  const bool adjust = keys.boolean_or("block_auto_adjust_ff_dim", true);
  const double multiplier = keys.positive_or("block_ffn_dim_multiplier", 1);
  const int64_t multiple = keys.size_or("block_multiple_of", 256);
  if (!adjust) return configured;
  const double size = static_cast<double>(2 * configured / 3) * multiplier;
  if (!(size >= 1 && size < (1 << 30)))
    keys.refuse("block_ffn_dim_multiplier", "a factor that gives a size up to 2^30");
  return (static_cast<int64_t>(size) + multiple - 1) / multiple * multiple;
}

ShortConvSpec short_conv(const Source& source, const Decoder& d, const std::string& module, int64_t kernel, bool bias) {
  const std::string in = module + ".in_proj";
  const auto part = [&](const char* alone, int64_t index) {
    return source.linear_part(in, {.stored = 3 * d.hidden, .first = index * d.hidden}, in + alone, d.hidden, d.hidden,
                              bias);
  };
  ShortConvSpec spec;
  spec.module = source.stored(module);
  spec.b = part("_b", 0);
  spec.c = part("_c", 1);
  spec.v = part("_x", 2);
  spec.conv = conv1d(source, module + ".conv", d.hidden, kernel, bias);
  spec.out = source.linear(module + ".out_proj", d.hidden, d.hidden, bias);
  return spec;
}

}  // namespace

Decoder read_lfm2(Source& source, const char* intermediate_key) {
  Keys& keys = source.keys;
  Decoder d = read_decoder(source, {.norm_eps = 1e-5,
                                    .tied = keys.boolean_or("tie_embedding", true),
                                    .rope = {.theta = 1e6},
                                    .keys = {.intermediate = intermediate_key, .norm_eps = "norm_eps"},
                                    .names = {.final_norm = "embedding_norm",
                                              .o = "out_proj",
                                              .q_norm = "q_layernorm",
                                              .k_norm = "k_layernorm",
                                              .mlp = "feed_forward",
                                              .gate = "w1",
                                              .up = "w3",
                                              .down = "w2",
                                              .attention_norm = "operator_norm",
                                              .mlp_norm = "ffn_norm"}});
  d.qk_norm = Decoder::QkNorm::head;
  // What the original code calls these sizes, and how its weights were initialized.
  keys.ignore({"block_dim", "block_norm_eps", "block_use_swiglu", "block_mlp_init_scale", "block_out_init_scale",
               "block_use_xavier_init", "conv_dim", "conv_dim_out", "conv_use_xavier_init", "num_heads", "theta",
               "use_pos_enc"});
  return d;
}

ModelSpec build_lfm2(const Source& source, const Decoder& d,
                     const std::function<FeedForwardSpec(int64_t layer)>& feed_forward) {
  Keys& keys = source.keys;
  const std::vector<bool> conv = read_conv_layers(keys, d.layers);
  const bool bias = keys.boolean_or("conv_bias", false);
  const int64_t kernel = read_kernel(keys, "conv_L_cache", 3);
  return build(source, d, [&](int64_t layer) {
    if (!conv[static_cast<size_t>(layer)]) return decoder_layer(source, d, layer, feed_forward(layer));
    return decoder_layer(source, d, layer, short_conv(source, d, layer_name(d, layer, "conv"), kernel, bias),
                         feed_forward(layer));
  });
}

namespace arch {

/// Short gated convolutions in most layers, attention with normed q and k in the others.
ModelSpec lfm2(Source& source) {
  Decoder d = read_lfm2(source, "block_ff_dim");
  d.intermediate = read_intermediate(source.keys, d.intermediate);
  return build_lfm2(source, d,
                    [&](int64_t layer) { return mlp(source, d, layer_name(d, layer, d.names.mlp), d.intermediate); });
}

}  // namespace arch
}  // namespace assay

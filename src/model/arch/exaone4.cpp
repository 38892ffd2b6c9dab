#include <algorithm>

#include "model/arch/arch.h"

namespace assay::arch {

namespace {

/// `sliding_window_pattern` is "LLLG", a letter for each layer in turn, or the distance between global layers.
std::vector<int64_t> windows_of(Keys& keys, int64_t layers) {
  const int64_t window = keys.size_or("sliding_window", 0);
  keys.ignore({"sliding_window_pattern", "layer_types"});
  if (window == 0) return std::vector<int64_t>(static_cast<size_t>(layers));
  if (!keys.strings("layer_types").empty() || !keys.has("sliding_window_pattern"))
    return read_windows(keys, layers, window, [](int64_t layer) { return (layer + 1) % 4 != 0; });
  if (!keys.is_string("sliding_window_pattern")) {
    const int64_t distance = keys.size("sliding_window_pattern");
    return read_windows(keys, layers, window, [&](int64_t layer) { return (layer + 1) % distance != 0; });
  }
  const std::string pattern = keys.string("sliding_window_pattern");
  if (pattern.empty() || pattern.find_first_not_of("LG") != std::string::npos)
    keys.refuse("sliding_window_pattern", "letters L (sliding) and G (global), or a number");
  return read_windows(keys, layers, window, [&](int64_t layer) {
    return layer != layers - 1 && pattern[static_cast<size_t>(layer) % pattern.size()] == 'L';
  });
}

}  // namespace

/// Norms only of what attention and MLP add, normed q and k, and, in models with windows, no rope on global layers.
ModelSpec exaone4(Source& source) {
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5});
  decoder.qk_norm = Decoder::QkNorm::head;
  decoder.names.attention_norm = decoder.names.mlp_norm = "";
  decoder.names.attention_output_norm = "post_attention_layernorm";
  decoder.names.mlp_output_norm = "post_feedforward_layernorm";
  decoder.windows = windows_of(source.keys, decoder.layers);
  const bool any = std::ranges::any_of(decoder.windows, [](int64_t window) { return window > 0; });
  for (const int64_t window : decoder.windows) decoder.layer_ropes.push_back(any && window == 0 ? -1 : 0);
  return build(source, decoder);
}

}  // namespace assay::arch

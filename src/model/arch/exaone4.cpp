#include "model/arch/exaone.h"

namespace assay {

namespace {

/// 0: the model has none.
int64_t read_window(Keys& keys, int64_t otherwise) {
  return keys.is_null("sliding_window") ? 0 : keys.size_or("sliding_window", otherwise);
}

/// `sliding_window_pattern` is "LLLG", a letter for each layer in turn, or the distance between global layers.
std::vector<int64_t> windows_of(Keys& keys, int64_t layers, int64_t window) {
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

Decoder read_exaone4(Source& source, int64_t window) {
  Decoder d = read_decoder(source, {.norm_eps = 1e-5});
  d.qk_norm = Decoder::QkNorm::head;
  const bool hybrid = read_window(source.keys, window) > 0;
  d.windows = windows_of(source.keys, d.layers, read_window(source.keys, window));
  for (const int64_t own : d.windows) d.layer_ropes.push_back(hybrid && own == 0 ? -1 : 0);
  return d;
}

namespace arch {

/// Norms only of what attention and MLP add.
ModelSpec exaone4(Source& source) {
  Decoder decoder = read_exaone4(source, 0);
  decoder.names.attention_norm = decoder.names.mlp_norm = "";
  decoder.names.attention_output_norm = "post_attention_layernorm";
  decoder.names.mlp_output_norm = "post_feedforward_layernorm";
  return build(source, decoder);
}

}  // namespace arch
}  // namespace assay

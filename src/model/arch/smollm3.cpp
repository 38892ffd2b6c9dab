#include <fmt/core.h>

#include "model/arch/arch.h"

namespace assay::arch {

/// Llama where every fourth layer has no rope.
ModelSpec smollm3(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.tied = true, .rope = {.theta = 2e6}});
  decoder.qkv_bias = decoder.o_bias = keys.boolean_or("attention_bias", false);
  decoder.mlp_bias = keys.boolean_or("mlp_bias", false);

  const std::vector<int64_t> has_rope = keys.integers("no_rope_layers");  // in spite of its name
  if (!has_rope.empty() && static_cast<int64_t>(has_rope.size()) != decoder.layers)
    keys.refuse("no_rope_layers", fmt::format("one entry for each of {} layers", decoder.layers));
  const int64_t interval = keys.size_or("no_rope_layer_interval", 4);
  for (int64_t i = 0; i < decoder.layers; ++i) {
    const bool rope = has_rope.empty() ? (i + 1) % interval != 0 : has_rope[i] != 0;
    decoder.layer_ropes.push_back(rope ? 0 : -1);
  }
  const bool sliding = keys.boolean_or("use_sliding_window", false);
  const int64_t window = sliding ? keys.size_or("sliding_window", 0) : 0;
  keys.ignore({"sliding_window"});
  decoder.windows =
      read_windows(keys, decoder.layers, window, [&](int64_t layer) { return decoder.layer_ropes[layer] < 0; });
  return build(source, decoder);
}

}  // namespace assay::arch

#include "model/arch/olmo2.h"

namespace assay::arch {

/// OLMo 2 with windows on three of four layers; only the others have a stretched rope.
ModelSpec olmo3(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_olmo2(source, {.theta = 500000, .layer_type = "full_attention"});
  decoder.windows = read_windows(keys, decoder.layers, keys.size_or("sliding_window", 4096),
                                 [](int64_t layer) { return (layer + 1) % 4 != 0; });
  RopeSpec plain = decoder.ropes[0];
  plain.type = RopeSpec::Type::plain;
  const bool own = has_rope_of(keys, "sliding_attention");
  decoder.ropes.push_back(own ? read_rope(keys, decoder.head_dim, {.theta = 500000, .layer_type = "sliding_attention"})
                              : plain);
  for (const int64_t window : decoder.windows) decoder.layer_ropes.push_back(window > 0 ? 1 : 0);
  return build(source, decoder);
}

}  // namespace assay::arch

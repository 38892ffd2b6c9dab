#include "model/arch/cohere.h"

namespace assay::arch {

/// Cohere with windows on most layers; those without one have no rope.
ModelSpec cohere2(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_cohere(source, 10000);
  // The model's own names for what this type implies.
  keys.ignore({"layer_switch", "order_of_interleaved_layers", "position_embedding_type", "rotary_pct",
               "use_embedding_sharing", "use_gated_activation", "use_parallel_block", "use_parallel_embedding"});
  const int64_t pattern = keys.size_or("sliding_window_pattern", 4);
  decoder.windows = read_windows(keys, decoder.layers, keys.size_or("sliding_window", 4096),
                                 [&](int64_t layer) { return (layer + 1) % pattern != 0; });
  for (const int64_t window : decoder.windows) decoder.layer_ropes.push_back(window > 0 ? 0 : -1);
  return build(source, decoder);
}

}  // namespace assay::arch

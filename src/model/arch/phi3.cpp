#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with fused projections and a window on every layer.
ModelSpec phi3(Source& source) {
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .rope = {.partial = 1}});
  decoder.names.qkv = "qkv_proj";
  decoder.names.gate_up = "gate_up_proj";
  const int64_t window = source.keys.size_or("sliding_window", 0);
  decoder.windows = read_windows(source.keys, decoder.layers, window, [](int64_t) { return true; });
  return build(source, decoder);
}

}  // namespace assay::arch

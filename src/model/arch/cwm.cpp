#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with a window on three of four layers, the first of four sees everything.
ModelSpec cwm(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .head_dim = 128, .rope = {.theta = 1e6}});
  decoder.mlp_bias = keys.boolean_or("mlp_bias", false);
  decoder.windows = read_windows(keys, decoder.layers, keys.size_or("sliding_window", 8192),
                                 [](int64_t layer) { return layer % 4 != 0; });
  return build(source, decoder);
}

}  // namespace assay::arch

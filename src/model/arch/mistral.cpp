#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with a window, on every layer (mistral) or on those of `layer_types` (ministral).
ModelSpec mistral(Source& source) {
  Decoder decoder = read_decoder(source, {.heads = 32});
  const int64_t window = source.keys.is_null("sliding_window") ? 0 : source.keys.size_or("sliding_window", 4096);
  decoder.windows = read_windows(source.keys, decoder.layers, window, [](int64_t) { return true; });
  return build(source, decoder);
}

}  // namespace assay::arch

#include <fmt/core.h>

#include "model/arch/arch.h"

namespace assay::arch {

/// Mistral with a mixture of experts in every layer.
ModelSpec mixtral(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .rope = {.theta = 1e6}});
  decoder.windows = read_windows(keys, decoder.layers, keys.size_or("sliding_window", 0), [](int64_t) { return true; });

  MoeShape shape = read_moe(keys, "num_local_experts", "intermediate_size");
  shape.gate = "w1";
  shape.up = "w3";
  shape.down = "w2";
  return build(source, decoder, [&](int64_t layer) {
    const std::string module = fmt::format("layers.{}.block_sparse_moe", layer);
    return decoder_layer(source, decoder, layer, moe(source, decoder, module, shape));
  });
}

}  // namespace assay::arch

#include "model/arch/deepseek.h"
#include "model/arch/exaone.h"

namespace assay::arch {

/// EXAONE 4's attention between the usual norms, and DeepSeek-V3's mixture of experts behind the first layers.
ModelSpec exaone_moe(Source& source) {
  Keys& keys = source.keys;
  const Decoder decoder = read_exaone4(source, 4096);
  MoeShape shape = read_sigmoid_moe(keys, "num_experts", "num_shared_experts", {.routed_scale = 2.5});
  shape.router_bias = "e_score_correction_bias";
  const int64_t dense = keys.count_or("first_k_dense_replace", 1);
  const std::vector<bool> sparse =
      read_mlp_layer_types(keys, decoder.layers, [&](int64_t layer) { return layer >= dense; });
  return build(source, decoder, [&](int64_t layer) {
    if (!sparse[static_cast<size_t>(layer)]) return decoder_layer(source, decoder, layer);
    return decoder_layer(source, decoder, layer, moe(source, decoder, layer_name(decoder, layer, "mlp"), shape));
  });
}

}  // namespace assay::arch

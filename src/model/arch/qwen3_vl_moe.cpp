#include "model/arch/arch.h"

namespace assay::arch {

/// Qwen3's mixture inside of Qwen3-VL, whose experts always have weights with a sum of 1. What its vision
/// tower adds to the first layers, it adds where images stand.
ModelSpec qwen3_vl_moe_text(Source& source) {
  Keys& keys = source.keys;
  Decoder d = read_decoder(source, {.tied = true, .rope = {.theta = 500000}});
  d.qkv_bias = d.o_bias = keys.boolean_or("attention_bias", false);
  d.qk_norm = Decoder::QkNorm::head;
  keys.ignore({"norm_topk_prob", "use_sliding_window", "sliding_window", "max_window_layers"});
  const MoeShape shape = read_moe(keys, "num_experts", "moe_intermediate_size");
  const std::vector<bool> sparse = read_sparse_layers(keys, d.layers);
  return build(source, d, [&](int64_t layer) {
    if (!sparse[static_cast<size_t>(layer)]) return decoder_layer(source, d, layer);
    return decoder_layer(source, d, layer, moe(source, d, layer_name(d, layer, "mlp"), shape));
  });
}

}  // namespace assay::arch

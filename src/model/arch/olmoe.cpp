#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with q and k normed over all heads, bounds for q, k and v, and a mixture of experts in every layer.
ModelSpec olmoe(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5});
  decoder.qkv_bias = decoder.o_bias = keys.boolean_or("attention_bias", false);
  decoder.qk_norm = Decoder::QkNorm::all_heads;
  decoder.clip_qkv = keys.positive_or_none("clip_qkv", 0);
  MoeShape shape = read_moe(keys, "num_experts", "intermediate_size");
  shape.routing.renormalize = keys.boolean_or("norm_topk_prob", false);
  return build(source, decoder, [&](int64_t layer) {
    return decoder_layer(source, decoder, layer, moe(source, decoder, layer_name(decoder, layer, "mlp"), shape));
  });
}

}  // namespace assay::arch

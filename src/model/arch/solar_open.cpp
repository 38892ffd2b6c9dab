#include "model/arch/deepseek.h"

namespace assay::arch {

/// Llama with DeepSeek-V3's mixture of experts in every layer.
ModelSpec solar_open(Source& source) {
  Keys& keys = source.keys;
  DecoderDefaults defaults{.norm_eps = 1e-5, .head_dim = 128, .mlp_ratio = 1, .rope = {.theta = 1e6, .partial = 1}};
  defaults.keys.intermediate = nullptr;  // no layer has an MLP
  Decoder decoder = read_decoder(source, defaults);
  decoder.qkv_bias = keys.boolean_or("attention_bias", false);
  const MoeShape shape = read_sigmoid_moe(keys, "n_routed_experts", "n_shared_experts", {});
  return build(source, decoder, [&](int64_t layer) {
    return decoder_layer(source, decoder, layer, moe(source, decoder, layer_name(decoder, layer, "mlp"), shape));
  });
}

}  // namespace assay::arch

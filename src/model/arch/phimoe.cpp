#include "model/arch/arch.h"

namespace assay::arch {

/// Mixtral with layer norms, biases and sparsemixer. Where longrope has magnitudes of its own, they count. The library
/// that saves these models takes the short factors at every length; the model's own code takes the long ones beyond
/// the trained length, as here.
ModelSpec phimoe(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder =
      read_decoder(source, {.norm_eps = 1e-5, .layer_norm = true, .norm_bias = true, .rope = {.theta = 1e6}});
  decoder.qkv_bias = decoder.o_bias = keys.boolean_or("attention_bias", false);
  decoder.head_bias = keys.boolean_or("lm_head_bias", false);
  decoder.windows = read_windows(keys, decoder.layers, keys.size_or("sliding_window", 0), [](int64_t) { return true; });

  MoeShape shape = read_moe(keys, "num_local_experts", "intermediate_size");
  if (shape.routing.top_k != 2) keys.refuse("num_experts_per_tok", "2, as sparsemixer chooses two experts");
  shape.routing.scores = RoutingSpec::Scores::sparsemixer;
  shape.routing.jitter = keys.number_or("router_jitter_noise", 0.01);
  shape.gate = "w1";
  shape.up = "w3";
  shape.down = "w2";
  return build(source, decoder, [&](int64_t layer) {
    const std::string module = layer_name(decoder, layer, "block_sparse_moe");
    return decoder_layer(source, decoder, layer, moe(source, decoder, module, shape));
  });
}

}  // namespace assay::arch

#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with normed q and k and an MLP of xIELU, whose parameters are learned in each layer.
ModelSpec apertus(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .activation = nullptr, .rope = {.theta = 1.2e7}});
  if (keys.string_or("hidden_act", "xielu") != "xielu") keys.refuse("hidden_act", "xielu");
  if (!keys.boolean_or("qk_norm", true)) keys.refuse("qk_norm", "true");
  decoder.activation = Activation::xielu;
  decoder.gated = false;
  decoder.qkv_bias = decoder.o_bias = keys.boolean_or("attention_bias", false);
  decoder.mlp_bias = keys.boolean_or("mlp_bias", false);
  decoder.qk_norm = Decoder::QkNorm::head;
  decoder.names.attention_norm = "attention_layernorm";
  decoder.names.mlp_norm = "feedforward_layernorm";
  return build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    std::get<MlpSpec>(spec.mlp).activation_module = source.stored(layer_name(decoder, layer, "mlp.act_fn"));
    return spec;
  });
}

}  // namespace assay::arch

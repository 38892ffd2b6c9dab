#include "model/arch/hunyuan.h"

namespace assay {

Decoder read_hunyuan(Source& source) {
  Keys& keys = source.keys;
  Decoder d = read_decoder(source, {.norm_eps = 1e-5});
  d.qkv_bias = d.o_bias = keys.boolean_or("attention_bias", false);
  if (!keys.boolean_or("use_qk_norm", true)) keys.refuse("use_qk_norm", "true, as in every published model");
  d.qk_norm = Decoder::QkNorm::head;
  d.names.q_norm = "query_layernorm";
  d.names.k_norm = "key_layernorm";
  return d;
}

LayerSpec hunyuan_layer(const Source& source, const Decoder& d, int64_t layer, FeedForwardSpec mlp) {
  LayerSpec spec = decoder_layer(source, d, layer, std::move(mlp));
  spec.attention().norm_after_rope = true;
  return spec;
}

namespace arch {

ModelSpec hunyuan_v1_dense(Source& source) {
  const Decoder decoder = read_hunyuan(source);
  return build(source, decoder, [&](int64_t layer) {
    const std::string module = layer_name(decoder, layer, "mlp");
    return hunyuan_layer(source, decoder, layer, mlp(source, decoder, module, decoder.intermediate));
  });
}

}  // namespace arch
}  // namespace assay

#include <fmt/core.h>

#include "model/arch/arch.h"

namespace assay::arch {

namespace {

/// One norm for each head, each stored alone.
std::vector<NormSpec> head_norms(const Source& source, const Decoder& d, const std::string& module, int64_t heads) {
  NormStyle style = d.norm;
  style.bias = false;
  std::vector<NormSpec> norms;
  for (int64_t h = 0; h < heads; ++h)
    norms.push_back(source.norm(fmt::format("{}.norms.{}", module, h), d.head_dim, style));
  return norms;
}

}  // namespace

/// Llama with layer norms and a rope on a quarter of each head.
ModelSpec stablelm(Source& source) {
  Keys& keys = source.keys;
  DecoderDefaults defaults{.norm_eps = 1e-5, .layer_norm = true, .norm_bias = true};
  defaults.keys.norm_eps = "layer_norm_eps";
  defaults.rope.partial = 0.25;
  Decoder decoder = read_decoder(source, defaults);
  decoder.qkv_bias = keys.boolean_or("use_qkv_bias", false);
  decoder.parallel = keys.boolean_or("use_parallel_residual", false);
  if (decoder.parallel) decoder.names.mlp_norm = decoder.names.attention_norm;
  const bool qk_norm = keys.boolean_or("qk_layernorm", false);
  return build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    if (!qk_norm) return spec;
    const std::string module = layer_name(decoder, layer, "self_attn");
    spec.attention().q_norm = head_norms(source, decoder, module + ".q_layernorm", decoder.heads);
    spec.attention().k_norm = head_norms(source, decoder, module + ".k_layernorm", decoder.kv_heads);
    return spec;
  });
}

}  // namespace assay::arch

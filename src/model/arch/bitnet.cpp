#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with squared ReLU, and norms of what goes into the last linear of attention and MLP.
ModelSpec bitnet(Source& source) {
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .activation = "relu2", .rope = {.theta = 500000}});
  decoder.qkv_bias = decoder.o_bias = source.keys.boolean_or("attention_bias", false);
  return build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    const int64_t q_rows = decoder.heads * decoder.head_dim;
    spec.attention().output_norm =
        source.norm(layer_name(decoder, layer, "self_attn.attn_sub_norm"), q_rows, decoder.norm);
    std::get<MlpSpec>(spec.mlp).inner_norm =
        source.norm(layer_name(decoder, layer, "mlp.ffn_sub_norm"), decoder.intermediate, decoder.norm);
    return spec;
  });
}

}  // namespace assay::arch

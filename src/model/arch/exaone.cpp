#include "model/arch/arch.h"

namespace assay::arch {

/// EXAONE 3: Llama under names of its own.
ModelSpec exaone(Source& source) {
  DecoderDefaults defaults{.norm_eps = 1e-5, .rope = {.theta = 500000}};
  defaults.keys.layers = "num_layers";
  defaults.keys.norm_eps = "layer_norm_epsilon";
  defaults.keys.activation = "activation_function";
  defaults.names = {.plain = "transformer.",
                    .embedding = "wte",
                    .layers = "h",
                    .final_norm = "ln_f",
                    .attention = "attn.attention",
                    .o = "out_proj",
                    .gate = "c_fc_0",
                    .up = "c_fc_1",
                    .down = "c_proj",
                    .attention_norm = "ln_1",
                    .mlp_norm = "ln_2"};
  Decoder decoder = read_decoder(source, defaults);
  decoder.qkv_bias = decoder.o_bias = source.keys.boolean_or("attention_bias", false);
  decoder.mlp_bias = source.keys.boolean_or("mlp_bias", false);
  return build(source, decoder);
}

}  // namespace assay::arch

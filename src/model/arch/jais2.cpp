#include "model/arch/arch.h"

namespace assay::arch {

/// Layer norms, biases everywhere but in the head, squared ReLU without a gate.
ModelSpec jais2(Source& source) {
  DecoderDefaults defaults{.norm_eps = 1e-5, .layer_norm = true, .norm_bias = true, .activation = "relu2"};
  defaults.keys.norm_eps = "layer_norm_eps";
  Decoder decoder = read_decoder(source, defaults);
  decoder.qkv_bias = decoder.o_bias = source.keys.boolean_or("attention_bias", true);
  decoder.mlp_bias = source.keys.boolean_or("mlp_bias", true);
  decoder.gated = false;
  return build(source, decoder);
}

}  // namespace assay::arch

#include "model/arch/arch.h"

namespace assay::arch {

/// Layer norms, biases everywhere, an MLP without a gate, and a window on every layer.
ModelSpec starcoder2(Source& source) {
  DecoderDefaults defaults{.norm_eps = 1e-5, .layer_norm = true, .norm_bias = true, .tied = true};
  defaults.activation = "gelu_pytorch_tanh";
  defaults.keys.norm_eps = "norm_epsilon";
  defaults.names.up = "c_fc";
  defaults.names.down = "c_proj";
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, defaults);
  decoder.qkv_bias = decoder.o_bias = decoder.mlp_bias = keys.boolean_or("use_bias", true);
  decoder.gated = false;
  // What the tool that trained it wrote, and what the library does whatever they say.
  keys.ignore({"activation_function", "layer_norm_epsilon", "mlp_type", "norm_type", "scale_attn_weights"});
  decoder.windows = read_windows(keys, decoder.layers, keys.size_or("sliding_window", 0), [](int64_t) { return true; });
  return build(source, decoder);
}

}  // namespace assay::arch

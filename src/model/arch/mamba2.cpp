#include "model/arch/state_space.h"

namespace assay::arch {

/// Mamba's successor: a state for each head, and a norm on the gated output.
ModelSpec mamba2(Source& source) {
  Keys& keys = source.keys;
  DecoderDefaults defaults = mamba_defaults(keys);
  defaults.head_dim = 1;
  Decoder d = read_decoder(source, defaults);
  if (d.activation != Activation::silu) keys.refuse("hidden_act", "silu");
  if (keys.boolean_or("norm_before_gate", false)) keys.refuse("norm_before_gate", "false");
  if (!keys.boolean_or("rms_norm", true)) keys.refuse("rms_norm", "true");
  Mamba2Shape shape =
      read_mamba2(keys, {"num_heads", "head_dim", "n_groups", "state_size", "conv_kernel"}, d.intermediate);
  shape.in_bias = shape.out_bias = keys.boolean_or("use_bias", false);
  shape.conv_bias = keys.boolean_or("use_conv_bias", true);
  return build(source, d, [&](int64_t layer) {
    return decoder_layer(source, d, layer, mamba2(source, d, layer_name(d, layer, d.names.attention), shape),
                         std::monostate{});
  });
}

}  // namespace assay::arch

#include <fmt/core.h>

#include "model/arch/state_space.h"

namespace assay::arch {

namespace {

int64_t read_rank(Keys& keys, int64_t hidden) {
  if (keys.has("time_step_rank") && !keys.is("time_step_rank", "auto")) return keys.size("time_step_rank");
  return (hidden + 15) / 16;
}

MambaSpec mixer(const Source& source, Keys& keys, const Decoder& d, const std::string& module) {
  const int64_t channels = d.intermediate, states = keys.size_or("state_size", 16), rank = read_rank(keys, d.hidden);
  const bool bias = keys.boolean_or("use_bias", false);
  const std::string in = module + ".in_proj", x = module + ".x_proj";
  const auto part = [&](const std::string& name, const char* alone, int64_t stored, int64_t first, int64_t out,
                        int64_t width, bool biased) {
    return source.linear_part(name, {.stored = stored, .first = first}, name + alone, out, width, biased);
  };
  MambaSpec spec;
  spec.module = source.stored(module);
  spec.x = part(in, "_x", 2 * channels, 0, channels, d.hidden, bias);
  spec.gate = part(in, "_gate", 2 * channels, channels, channels, d.hidden, bias);
  spec.conv = conv1d(source, module + ".conv1d", channels, read_kernel(keys, "conv_kernel", 4),
                     keys.boolean_or("use_conv_bias", true));
  spec.dt_in = part(x, "_dt", rank + 2 * states, 0, rank, channels, false);
  spec.b = part(x, "_b", rank + 2 * states, rank, states, channels, false);
  spec.c = part(x, "_c", rank + 2 * states, rank + states, states, channels, false);
  spec.dt = source.linear(module + ".dt_proj", channels, rank, true);
  spec.a_log = decays(source, module, {channels, states});
  spec.d = source.tensor(module + ".D", {channels});
  spec.out = source.linear(module + ".out_proj", d.hidden, channels, bias);
  return spec;
}

}  // namespace

/// No attention and no MLP: layers of one selective state space.
ModelSpec mamba(Source& source) {
  Keys& keys = source.keys;
  DecoderDefaults defaults = mamba_defaults(keys);
  defaults.tied = true;
  Decoder d = read_decoder(source, defaults);
  if (d.activation != Activation::silu) keys.refuse("hidden_act", "silu");
  return build(source, d, [&](int64_t layer) {
    return decoder_layer(source, d, layer, mixer(source, keys, d, layer_name(d, layer, d.names.attention)),
                         std::monostate{});
  });
}

}  // namespace assay::arch

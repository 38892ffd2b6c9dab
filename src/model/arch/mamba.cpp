#include "model/arch/state_space.h"

namespace assay {

int64_t read_time_step_rank(Keys& keys, const char* key, int64_t hidden) {
  return keys.has(key) && !keys.is(key, "auto") ? keys.size(key) : (hidden + 15) / 16;
}

MambaSpec mamba(const Source& source, const Decoder& d, const std::string& module, const MambaShape& shape) {
  const int64_t channels = shape.channels, states = shape.states, rank = shape.rank;
  const std::string in = module + ".in_proj", x = module + ".x_proj";
  const auto part = [&](const std::string& name, const char* alone, int64_t stored, int64_t first, int64_t out,
                        int64_t width, bool biased) {
    return source.linear_part(name, {.stored = stored, .first = first}, name + alone, out, width, biased);
  };
  MambaSpec spec;
  spec.module = source.stored(module);
  spec.x = part(in, "_x", 2 * channels, 0, channels, d.hidden, shape.bias);
  spec.gate = part(in, "_gate", 2 * channels, channels, channels, d.hidden, shape.bias);
  spec.conv = conv1d(source, module + ".conv1d", channels, shape.kernel, shape.conv_bias);
  spec.dt_in = part(x, "_dt", rank + 2 * states, 0, rank, channels, false);
  spec.b = part(x, "_b", rank + 2 * states, rank, states, channels, false);
  spec.c = part(x, "_c", rank + 2 * states, rank + states, states, channels, false);
  if (shape.norm.kind != NormSpec::Kind::none) {
    spec.dt_norm = source.norm(module + ".dt_layernorm", rank, shape.norm);
    spec.b_norm = source.norm(module + ".b_layernorm", states, shape.norm);
    spec.c_norm = source.norm(module + ".c_layernorm", states, shape.norm);
  }
  spec.dt = source.linear(module + ".dt_proj", channels, rank, true);
  spec.a_log = decays(source, module, {channels, states});
  spec.d = source.tensor(module + ".D", {channels});
  spec.out = source.linear(module + ".out_proj", d.hidden, channels, shape.bias);
  return spec;
}

namespace arch {

namespace {

ModelSpec read(Source& source, const NormStyle& norm) {
  Keys& keys = source.keys;
  DecoderDefaults defaults = mamba_defaults(keys);
  defaults.tied = true;
  const Decoder d = read_decoder(source, defaults);
  if (d.activation != Activation::silu) keys.refuse("hidden_act", "silu");
  const MambaShape shape{.channels = d.intermediate,
                         .states = keys.size_or("state_size", 16),
                         .rank = read_time_step_rank(keys, "time_step_rank", d.hidden),
                         .kernel = read_kernel(keys, "conv_kernel", 4),
                         .bias = keys.boolean_or("use_bias", false),
                         .conv_bias = keys.boolean_or("use_conv_bias", true),
                         .norm = norm};
  return build(source, d, [&](int64_t layer) {
    return decoder_layer(source, d, layer, assay::mamba(source, d, layer_name(d, layer, d.names.attention), shape),
                         std::monostate{});
  });
}

}  // namespace

/// No attention and no MLP: layers of one selective state space.
ModelSpec mamba(Source& source) {
  return read(source, {.kind = NormSpec::Kind::none});
}

/// Mamba with norms without weights inside.
ModelSpec falcon_mamba(Source& source) {
  source.keys.ignore({"use_falcon_mambapy"});
  return read(source, {.eps = source.keys.positive_or("mixer_rms_eps", 1e-6), .weight = false});
}

}  // namespace arch
}  // namespace assay

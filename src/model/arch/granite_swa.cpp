#include <fmt/core.h>

#include <algorithm>

#include "model/arch/granite.h"

namespace assay {

namespace {

/// `layer_rope_theta` has a base for each layer, 0 where there is no rope.
void use_layer_ropes(Keys& keys, Decoder& d) {
  const std::vector<double> thetas = keys.numbers("layer_rope_theta");
  if (thetas.empty()) return;
  const RopeSpec rope = d.ropes.at(0);
  bool fits = static_cast<int64_t>(thetas.size()) == d.layers;
  for (const double theta : thetas) fits = fits && (theta == 0 || (theta >= 1 && theta < 1e30));
  if (!fits) keys.refuse("layer_rope_theta", fmt::format("0, or a base from 1 on, for each of {} layers", d.layers));
  d.ropes.clear();
  for (const double theta : thetas) {
    if (theta == 0) {
      d.layer_ropes.push_back(-1);
      continue;
    }
    auto own = std::ranges::find(d.ropes, theta, &RopeSpec::theta);
    if (own == d.ropes.end()) {
      d.ropes.push_back(rope);
      d.ropes.back().theta = theta;
      own = d.ropes.end() - 1;
    }
    d.layer_ropes.push_back(static_cast<int>(own - d.ropes.begin()));
  }
}

}  // namespace

Decoder read_granite_swa(Source& source, const DecoderDefaults& defaults) {
  Keys& keys = source.keys;
  Decoder d = read_granite(source, defaults);
  d.windows =
      read_windows(keys, d.layers, keys.size_or("sliding_window", 128), [](int64_t layer) { return layer % 4 != 0; });
  use_layer_ropes(keys, d);
  return d;
}

void add_sinks(const Source& source, const Decoder& d, int64_t layer, AttentionSpec& attention) {
  attention.sinks = source.tensor(layer_name(d, layer, "self_attn.sinks"), {d.heads});
}

namespace arch {

/// Granite with windows and attention sinks.
ModelSpec granite_swa(Source& source) {
  const Decoder decoder = read_granite_swa(source, {.norm_eps = 1e-5, .tied = true});
  return build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    add_sinks(source, decoder, layer, spec.attention());
    return spec;
  });
}

}  // namespace arch
}  // namespace assay

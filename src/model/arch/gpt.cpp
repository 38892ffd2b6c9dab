#include "model/arch/gpt.h"

#include <bit>
#include <cmath>

namespace assay {

DecoderDefaults gpt_defaults() {
  DecoderDefaults defaults{.norm_eps = 1e-5, .mlp_ratio = 4, .has_rope = false};
  defaults.layer_norm = defaults.norm_bias = true;
  defaults.activation = "gelu_new";
  defaults.keys = {.hidden = "n_embd",
                   .intermediate = "n_inner",
                   .layers = "n_layer",
                   .heads = "n_head",
                   .kv_heads = nullptr,
                   .positions = "n_positions",
                   .norm_eps = "layer_norm_epsilon",
                   .activation = "activation_function"};
  Names& names = defaults.names;
  names.plain = "transformer.";
  names.embedding = "wte";
  names.layers = "h";
  names.final_norm = "ln_f";
  names.attention = "attn";
  names.attention_norm = "ln_1";
  names.mlp_norm = "ln_2";
  return defaults;
}

Decoder read_gpt(Source& source, const DecoderDefaults& defaults) {
  Decoder d = read_decoder(source, defaults);
  d.qkv_bias = d.o_bias = d.mlp_bias = true;
  d.gated = false;
  return d;
}

Decoder read_gptj(Source& source, DecoderDefaults defaults) {
  defaults.has_rope = true;
  defaults.rope = {.interleaved = true, .dims = source.keys.size_or("rotary_dim", 64)};
  defaults.names.o = "out_proj";
  defaults.names.up = "fc_in";
  defaults.names.down = "fc_out";
  defaults.names.mlp_norm = defaults.names.attention_norm;
  Decoder decoder = read_gpt(source, defaults);
  decoder.qkv_bias = decoder.o_bias = false;
  decoder.head_bias = true;
  decoder.parallel = true;
  source.keys.ignore({"n_ctx", "rotary", "scale_attn_weights"});  // always so
  return decoder;
}

ModelSpec build_with_positions(const Source& source, const Decoder& d, const char* module, int64_t offset,
                               const std::function<LayerSpec(int64_t)>& layer) {
  if (d.max_positions == 0) source.keys.refuse("n_positions", "the number of learned positions");
  ModelSpec model = build(source, d, layer);
  model.input.positions = source.stored(module);
  model.input.position_rows = d.max_positions + offset;
  model.input.position_offset = offset;
  return model;
}

std::vector<double> bloom_slopes(int64_t heads) {
  const auto power = static_cast<double>(std::bit_floor(static_cast<uint64_t>(heads)));
  std::vector<double> slopes;
  for (int64_t k = 1; k <= heads && static_cast<double>(k) <= power; ++k)
    slopes.push_back(std::exp2(-8 * static_cast<double>(k) / power));
  for (int64_t k = 1; static_cast<int64_t>(slopes.size()) < heads; k += 2)
    slopes.push_back(std::exp2(-4 * static_cast<double>(k) / power));
  return slopes;
}

}  // namespace assay

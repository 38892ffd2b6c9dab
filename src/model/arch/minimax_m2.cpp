#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with q and k normed over all heads, a rope on a part of each head, and experts chosen by sigmoid and bias.
ModelSpec minimax_m2(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(
      source, {.head_dim = 128, .rope = {.theta = 5e6, .partial = 1, .dims = keys.size_or("rotary_dim", 0)}});
  if (keys.boolean_or("use_qk_norm", true)) decoder.qk_norm = Decoder::QkNorm::all_heads;
  if (keys.string_or("qk_norm_type", "per_layer") != "per_layer") keys.refuse("qk_norm_type", "per_layer");
  for (const int64_t type : keys.integers("attn_type_list"))
    if (type != 1) keys.refuse("attn_type_list", "1, full attention, for each layer");
  if (keys.string_or("scoring_func", "sigmoid") != "sigmoid") keys.refuse("scoring_func", "sigmoid");

  MoeShape shape = read_moe(keys, "num_local_experts", "intermediate_size");
  shape.routing.scores = RoutingSpec::Scores::sigmoid;
  keys.ignore({"mlp_intermediate_size", "shared_moe_mode"});  // of MLPs that no layer has
  shape.gate = "w1";
  shape.up = "w3";
  shape.down = "w2";
  if (keys.boolean_or("use_routing_bias", true)) shape.router_bias = "e_score_correction_bias";
  return build(source, decoder, [&](int64_t layer) {
    const std::string module = layer_name(decoder, layer, "block_sparse_moe");
    return decoder_layer(source, decoder, layer, moe(source, decoder, module, shape));
  });
}

}  // namespace assay::arch

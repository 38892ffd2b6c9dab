#include "model/arch/ernie.h"

namespace assay::arch {

namespace {

MoeShape read_shape(Keys& keys) {
  MoeShape shape = read_moe(keys, "moe_num_experts", "moe_intermediate_size", "moe_k");
  shape.routing.norm_floor = keys.positive_or("moe_norm_min", 1e-12);
  shape.shared_intermediate = shape.intermediate * keys.count_or("moe_num_shared_experts", 0);
  return shape;
}

}  // namespace

/// ERNIE 4.5 with experts in a range of layers, chosen by their score and a bias.
ModelSpec ernie4_5_moe(Source& source) {
  Keys& keys = source.keys;
  const Decoder decoder = read_ernie(source);
  const MoeShape shape = read_shape(keys);
  const int64_t first = keys.count_or("moe_layer_start_index", 1), step = keys.size_or("moe_layer_interval", 1);
  const double last = keys.number_or("moe_layer_end_index", -1);
  return build(source, decoder, [&](int64_t layer) {
    const bool in_range = layer >= first && (last < 0 || static_cast<double>(layer) <= last);
    if (!in_range || (layer + 1) % step != 0) return decoder_layer(source, decoder, layer);
    const std::string module = layer_name(decoder, layer, "mlp");
    MoeSpec experts = moe(source, decoder, module, shape);
    if (const std::string statics = module + ".moe_statics"; source.has_module(source.stored(statics)))
      experts.routing.bias = source.tensor(statics + ".e_score_correction_bias", {1, shape.experts});
    return decoder_layer(source, decoder, layer, std::move(experts));
  });
}

}  // namespace assay::arch

#include "model/arch/granite.h"

namespace assay::arch {

/// Granite with windows, attention sinks and a mixture of experts in every layer.
ModelSpec granitemoe_swa(Source& source) {
  const Decoder decoder = read_granite_swa(source);
  MoeShape shape = read_granite_moe(source.keys);
  shape.router = "router";
  return build(source, decoder, [&](int64_t layer) {
    MoeSpec experts = moe(source, decoder, layer_name(decoder, layer, "block_sparse_moe"), shape);
    add_shared_mlp(source, decoder, layer, experts);
    LayerSpec spec = decoder_layer(source, decoder, layer, std::move(experts));
    add_sinks(source, decoder, layer, spec.attention());
    return spec;
  });
}

}  // namespace assay::arch

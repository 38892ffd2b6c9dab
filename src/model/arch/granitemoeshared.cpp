#include "model/arch/granite.h"

namespace assay::arch {

/// GraniteMoE with an MLP that sees every token beside the experts.
ModelSpec granitemoeshared(Source& source) {
  const Decoder decoder = read_granite(source);
  const MoeShape shape = read_granite_moe(source.keys);
  const int64_t shared = source.keys.count_or("shared_intermediate_size", 0);
  Decoder fused = decoder;
  fused.names.gate_up = "input_linear";
  fused.names.down = "output_linear";
  return build(source, decoder, [&](int64_t layer) {
    MoeSpec moe = granite_moe(source, decoder, layer, shape);
    if (shared > 0) moe.shared = mlp(source, fused, layer_name(decoder, layer, "shared_mlp"), shared);
    return decoder_layer(source, decoder, layer, std::move(moe));
  });
}

}  // namespace assay::arch

#include "model/arch/granite.h"

namespace assay {

void add_shared_mlp(const Source& source, const Decoder& decoder, int64_t layer, MoeSpec& moe) {
  const int64_t size = source.keys.count_or("shared_intermediate_size", 0);
  if (size == 0) return;
  Decoder fused = decoder;
  // GGUF files have the gate alone.
  const bool apart = source.has_module(source.stored(layer_name(decoder, layer, "shared_mlp.gate_proj")));
  if (!apart) fused.names.gate_up = "input_linear";
  fused.names.down = "output_linear";
  moe.shared = mlp(source, fused, layer_name(decoder, layer, "shared_mlp"), size);
}

namespace arch {

/// GraniteMoE with an MLP that sees every token beside the experts.
ModelSpec granitemoeshared(Source& source) {
  const Decoder decoder = read_granite(source);
  const MoeShape shape = read_granite_moe(source.keys);
  return build(source, decoder, [&](int64_t layer) {
    MoeSpec moe = granite_moe(source, decoder, layer, shape);
    add_shared_mlp(source, decoder, layer, moe);
    return decoder_layer(source, decoder, layer, std::move(moe));
  });
}

}  // namespace arch
}  // namespace assay

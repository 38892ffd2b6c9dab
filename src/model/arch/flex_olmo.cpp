#include "model/arch/olmo2.h"

namespace assay::arch {

/// OLMo 2 with a mixture of experts in every layer.
ModelSpec flex_olmo(Source& source) {
  Keys& keys = source.keys;
  const Decoder decoder = read_olmo2(source, {.theta = 500000}, 1e-6);
  MoeShape shape = read_moe(keys, "num_experts", "intermediate_size");
  shape.routing.renormalize = keys.boolean_or("norm_topk_prob", false);
  return build(source, decoder, [&](int64_t layer) {
    return decoder_layer(source, decoder, layer, moe(source, decoder, layer_name(decoder, layer, "mlp"), shape));
  });
}

}  // namespace assay::arch

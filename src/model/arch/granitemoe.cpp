#include <fmt/core.h>

#include "model/arch/granite.h"

namespace assay {

MoeShape read_granite_moe(Keys& keys) {
  return read_moe(keys, "num_local_experts", "intermediate_size");  // softmax of the chosen logits is renormalized
}

MoeSpec granite_moe(const Source& source, const Decoder& decoder, int64_t layer, const MoeShape& shape) {
  const std::string module = layer_name(decoder, layer, "block_sparse_moe");
  // GGUF files have them one by one.
  if (source.has_module(source.stored(module + ".experts.0"))) {
    MoeShape alone = shape;
    alone.router = "router.layer";
    return moe(source, decoder, module, alone);
  }
  MoeSpec moe;
  moe.router = source.linear(module + ".router.layer", shape.experts, decoder.hidden);
  moe.routing = shape.routing;
  for (int64_t e = 0; e < shape.experts; ++e) {
    moe.experts.push_back(stacked_expert(source, decoder, module + ".input_linear.weight",
                                         module + ".output_linear.weight", fmt::format("{}.experts.{}", module, e),
                                         shape, e));
  }
  return moe;
}

namespace arch {

/// Granite with a mixture of experts in every layer.
ModelSpec granitemoe(Source& source) {
  const Decoder decoder = read_granite(source);
  const MoeShape shape = read_granite_moe(source.keys);
  return build(source, decoder, [&](int64_t layer) {
    return decoder_layer(source, decoder, layer, granite_moe(source, decoder, layer, shape));
  });
}

}  // namespace arch
}  // namespace assay

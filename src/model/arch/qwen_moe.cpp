#include "model/arch/qwen_moe.h"

namespace assay {

void refuse_qwen_windows(Keys& keys) {
  keys.ignore({"sliding_window", "max_window_layers"});
  if (keys.boolean_or("use_sliding_window", false)) {
    keys.refuse("use_sliding_window", "false: which layers have windows differs between versions of the library");
  }
}

ModelSpec build_qwen_moe(const Source& source, const Decoder& decoder, MoeShape shape) {
  shape.routing.renormalize = source.keys.boolean_or("norm_topk_prob", false);
  const std::vector<bool> sparse = read_sparse_layers(source.keys, decoder.layers);
  return build(source, decoder, [&](int64_t layer) {
    if (!sparse[layer]) return decoder_layer(source, decoder, layer);
    return decoder_layer(source, decoder, layer, moe(source, decoder, layer_name(decoder, layer, "mlp"), shape));
  });
}

}  // namespace assay

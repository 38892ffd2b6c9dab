#include <fmt/core.h>

#include <algorithm>

#include "model/arch/arch.h"

namespace assay::arch {

namespace {

void refuse_windows(Keys& keys) {
  keys.ignore({"sliding_window", "max_window_layers"});
  if (keys.boolean_or("use_sliding_window", false)) {
    keys.refuse("use_sliding_window", "false: which layers have windows differs between versions of the library");
  }
}

}  // namespace

/// Qwen3 with a mixture of experts in some layers.
ModelSpec qwen3_moe(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source);
  decoder.qkv_bias = decoder.o_bias = keys.boolean_or("attention_bias", false);
  decoder.qk_norm = Decoder::QkNorm::head;
  refuse_windows(keys);

  MoeShape shape =
      read_moe(keys, keys.has("num_experts") ? "num_experts" : "num_local_experts", "moe_intermediate_size");
  shape.routing.renormalize = keys.boolean_or("norm_topk_prob", false);
  const std::vector<int64_t> dense = keys.integers("mlp_only_layers");
  const int64_t step = keys.size_or("decoder_sparse_step", 1);
  return build(source, decoder, [&](int64_t layer) {
    if ((layer + 1) % step != 0 || std::ranges::find(dense, layer) != dense.end()) {
      return decoder_layer(source, decoder, layer);
    }
    return decoder_layer(source, decoder, layer, moe(source, decoder, fmt::format("layers.{}.mlp", layer), shape));
  });
}

}  // namespace assay::arch

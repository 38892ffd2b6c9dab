#include <algorithm>

#include "model/arch/hunyuan.h"

namespace assay::arch {

namespace {

/// One number, or a list with the same number for each layer.
int64_t uniform(Keys& keys, const char* key) {
  if (!keys.is_list(key)) return keys.size(key);
  const std::vector<int64_t> values = keys.integers(key);
  if (values.empty() || values[0] < 1 || std::ranges::any_of(values, [&](int64_t v) { return v != values[0]; }))
    keys.refuse(key, "the same number above 0 for each layer");
  return values[0];
}

MoeShape read_shape(Keys& keys, const Decoder& decoder) {
  MoeShape shape = make_moe(keys, uniform(keys, "num_experts"), uniform(keys, "moe_topk"), decoder.intermediate);
  shape.shared_intermediate = decoder.intermediate;
  shape.router = "gate.wg";
  shape.shared = "shared_mlp";
  // The sizes of experts and of the shared MLP are intermediate_size, whatever these say: one shared MLP of that size.
  keys.ignore({"moe_intermediate_size", "num_shared_expert", "use_mixed_mlp_moe"});
  return shape;
}

}  // namespace

/// Hunyuan with experts in every layer, and an MLP beside them that sees every token.
ModelSpec hunyuan_v1_moe(Source& source) {
  const Decoder decoder = read_hunyuan(source);
  const MoeShape shape = read_shape(source.keys, decoder);
  return build(source, decoder, [&](int64_t layer) {
    return hunyuan_layer(source, decoder, layer, moe(source, decoder, layer_name(decoder, layer, "mlp"), shape));
  });
}

}  // namespace assay::arch

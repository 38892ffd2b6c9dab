#include "model/arch/arch.h"

namespace assay::arch {

namespace {

/// Queries far into the text are scaled up; both numbers stand among the parameters of the rope.
std::optional<QueryScaleSpec> read_query_scale(Keys& keys, const Decoder& decoder) {
  Keys* section = keys.section("rope_scaling");
  if (!section) section = keys.section("rope_parameters");
  const double beta = section ? section->number_or("llama_4_scaling_beta", 0) : 0;
  if (beta == 0) return std::nullopt;
  if (decoder.ropes[0].original_max_positions == 0)
    section->refuse("original_max_position_embeddings", "a length, as there is a llama_4_scaling_beta");
  return QueryScaleSpec{.beta = beta, .length = decoder.ropes[0].original_max_positions};
}

}  // namespace

/// Mistral with queries that grow with their position.
ModelSpec ministral3(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .heads = 32, .kv_heads = 8, .rope = {.theta = 1e6}});
  decoder.windows = read_windows(keys, decoder.layers, keys.size_or("sliding_window", 0), [](int64_t) { return true; });
  const auto query_scale = read_query_scale(keys, decoder);
  return build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    spec.attention().query_scale = query_scale;
    return spec;
  });
}

}  // namespace assay::arch

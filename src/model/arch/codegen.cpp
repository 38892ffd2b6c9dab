#include "model/arch/gpt.h"

namespace assay::arch {

namespace {

/// The rows of qkv_proj are four blocks, each with the queries of a quarter of the heads, then their values, then
/// their keys.
constexpr int64_t kBlocks = 4;

void use_blocks(const Source& source, const Decoder& d, AttentionSpec& attention, const std::string& module) {
  const int64_t rows = d.hidden / kBlocks;
  const auto part = [&](int64_t index, const char* name) {
    const Rows block{.stored = 3 * d.hidden, .first = index * rows, .run = rows, .stride = 3 * rows};
    return source.linear_part(module + ".qkv_proj", block, module + name, d.hidden, d.hidden);
  };
  attention.q = part(0, ".q_proj");
  attention.v = part(1, ".v_proj");
  attention.k = part(2, ".k_proj");
}

}  // namespace

/// GPT-J with q, v and k in one module.
ModelSpec codegen(Source& source) {
  DecoderDefaults defaults = gpt_defaults();
  defaults.names.qkv = "qkv_proj";
  const Decoder decoder = read_gptj(source, defaults);
  if (decoder.heads % kBlocks != 0 || decoder.heads * decoder.head_dim != decoder.hidden)
    source.keys.refuse("n_head", "a multiple of 4");
  return build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    use_blocks(source, decoder, spec.attention(), layer_name(decoder, layer, decoder.names.attention));
    return spec;
  });
}

}  // namespace assay::arch

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
  defaults.has_rope = true;
  defaults.rope = {.interleaved = true, .dims = source.keys.size_or("rotary_dim", 64)};
  defaults.names.qkv = "qkv_proj";
  defaults.names.o = "out_proj";
  defaults.names.up = "fc_in";
  defaults.names.down = "fc_out";
  defaults.names.mlp_norm = defaults.names.attention_norm;
  Decoder decoder = read_gpt(source, defaults);
  decoder.qkv_bias = decoder.o_bias = false;
  decoder.head_bias = true;
  source.keys.ignore({"n_ctx", "rotary", "scale_attn_weights"});  // always so
  decoder.parallel = true;
  if (decoder.heads % kBlocks != 0 || decoder.heads * decoder.head_dim != decoder.hidden)
    source.keys.refuse("n_head", "a multiple of 4");
  return build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    use_blocks(source, decoder, spec.attention(), layer_name(decoder, layer, decoder.names.attention));
    return spec;
  });
}

}  // namespace assay::arch

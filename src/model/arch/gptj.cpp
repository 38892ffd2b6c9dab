#include "model/arch/gpt.h"

namespace assay::arch {

/// Attention and MLP side by side behind one layer norm, an interleaved rope on the first components of each head.
ModelSpec gptj(Source& source) {
  DecoderDefaults defaults = gpt_defaults();
  defaults.has_rope = true;
  defaults.rope = {.interleaved = true, .dims = source.keys.size_or("rotary_dim", 64)};
  defaults.names.o = "out_proj";
  defaults.names.up = "fc_in";
  defaults.names.down = "fc_out";
  defaults.names.mlp_norm = defaults.names.attention_norm;
  Decoder decoder = read_gpt(source, defaults);
  decoder.qkv_bias = decoder.o_bias = false;
  decoder.head_bias = true;
  source.keys.ignore({"n_ctx", "rotary", "scale_attn_weights"});  // always so
  decoder.parallel = true;
  return build(source, decoder);
}

}  // namespace assay::arch

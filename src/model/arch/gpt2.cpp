#include <cmath>

#include "model/arch/gpt.h"

namespace assay::arch {

ModelSpec gpt2(Source& source) {
  Keys& keys = source.keys;
  DecoderDefaults defaults = gpt_defaults();
  defaults.tied = true;
  defaults.names.qkv = "c_attn";
  defaults.names.o = defaults.names.down = "c_proj";
  defaults.names.up = "c_fc";
  source.expect_transposed();
  Decoder decoder = read_gpt(source, defaults);
  if (!keys.boolean_or("scale_attn_weights", true)) decoder.score_scale = 1;
  keys.ignore({"n_ctx", "reorder_and_upcast_attn"});  // the number of positions again; a matter of half precision
  const bool by_layer = keys.boolean_or("scale_attn_by_inverse_layer_idx", false);
  return build_with_positions(source, decoder, "wpe", 0, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    if (by_layer) spec.attention().scale /= static_cast<double>(layer + 1);
    return spec;
  });
}

}  // namespace assay::arch

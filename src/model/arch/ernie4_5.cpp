#include "model/arch/ernie.h"

namespace assay {

Decoder read_ernie(Source& source) {
  Decoder d = read_decoder(source, {.norm_eps = 1e-5, .tied = true, .rope = {.theta = 500000, .interleaved = true}});
  d.qkv_bias = d.o_bias = d.mlp_bias = source.keys.boolean_or("use_bias", false);
  return d;
}

namespace arch {

ModelSpec ernie4_5(Source& source) {
  return build(source, read_ernie(source));
}

}  // namespace arch
}  // namespace assay

#include "model/arch/arch.h"

namespace assay::arch {

ModelSpec llama(Source& source) {
  Decoder decoder = read_decoder(source);
  decoder.qkv_bias = decoder.o_bias = source.keys.boolean_or("attention_bias", false);
  decoder.mlp_bias = source.keys.boolean_or("mlp_bias", false);
  return build(source, decoder);
}

}  // namespace assay::arch

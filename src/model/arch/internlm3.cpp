#include "model/arch/arch.h"

namespace assay::arch {

/// Llama with biases by two keys. The library that saves these models wants both to be the same.
ModelSpec internlm3(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .head_dim = 128});
  decoder.qkv_bias = keys.boolean_or("qkv_bias", keys.boolean_or("attention_bias", false));
  decoder.o_bias = decoder.mlp_bias = keys.boolean_or("bias", keys.boolean_or("mlp_bias", false));
  return build(source, decoder);
}

}  // namespace assay::arch

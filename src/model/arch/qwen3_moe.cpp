#include "model/arch/qwen_moe.h"

namespace assay::arch {

/// Qwen3 with a mixture of experts in some layers.
ModelSpec qwen3_moe(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source);
  decoder.qkv_bias = decoder.o_bias = keys.boolean_or("attention_bias", false);
  decoder.qk_norm = Decoder::QkNorm::head;
  refuse_qwen_windows(keys);
  return build_qwen_moe(source, decoder, read_moe(keys, "num_experts", "moe_intermediate_size"));
}

}  // namespace assay::arch

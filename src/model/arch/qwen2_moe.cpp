#include "model/arch/qwen_moe.h"

namespace assay::arch {

/// Qwen2 with a mixture of experts in some layers, beside which a shared expert has a gate of its own.
ModelSpec qwen2_moe(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source);
  decoder.qkv_bias = keys.boolean_or("qkv_bias", true);
  refuse_qwen_windows(keys);
  MoeShape shape = read_moe(keys, "num_experts", "moe_intermediate_size");
  shape.shared_intermediate = keys.size("shared_expert_intermediate_size");
  shape.shared = "shared_expert";
  shape.shared_gate = "shared_expert_gate";
  return build_qwen_moe(source, decoder, shape);
}

}  // namespace assay::arch

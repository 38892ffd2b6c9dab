#pragma once
#include "model/arch/arch.h"

namespace assay {

/// What Qwen's hybrids share: three layers of linear attention to one of gated attention.
struct QwenHybrid {
  Decoder decoder;
  std::vector<bool> linear;  ///< of each layer
  int64_t key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0, kernel = 0;
};

/// `dense`: the config has the size of an MLP.
QwenHybrid read_qwen_hybrid(Source& source, bool dense);

/// Attention whose output is multiplied by a sigmoid; q_proj holds q and the gate of each head.
AttentionSpec gated_attention(const Source& source, const Decoder& decoder, int64_t layer);
/// Everything but the projections of x.
DeltaNetSpec delta_net(const Source& source, const QwenHybrid& hybrid, const std::string& module);
/// q, k and v of one module one after the other, and z of its own.
void read_separate_projections(const Source& source, const QwenHybrid& hybrid, const std::string& module,
                               DeltaNetSpec& spec);
/// A mixture with one gated shared expert, where `experts_key` is.
MoeShape read_qwen_experts(Keys& keys);

/// `projections` reads q, k, v, z, b and a of the module of a layer.
ModelSpec build(const Source& source, const QwenHybrid& hybrid,
                const std::function<void(const std::string& module, DeltaNetSpec& spec)>& projections,
                const std::function<FeedForwardSpec(int64_t layer)>& feed_forward);

}  // namespace assay

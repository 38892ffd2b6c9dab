#pragma once
#include "model/arch/arch.h"

namespace assay {

/// What DeepSeek's decoders share: latent attention in every layer, a mixture of experts in most.
struct Deepseek {
  Decoder decoder;
  int64_t q_rank = 0, kv_rank = 0;  ///< q_rank 0: q is made from the hidden state itself
  int64_t nope_dim = 0, rope_dim = 0, value_dim = 0;
  bool bias = false;
  MoeShape moe;                ///< no experts: every layer is dense
  std::vector<bool> mixtures;  ///< whether a layer has experts
};

struct DeepseekDefaults {
  int64_t first_mixture = 0;
  int64_t groups = 1, top_groups = 1;
  double routed_scale = 1;
  bool renormalize = true;
  double norm_eps = 1e-6;
  bool tied = false;
};

Deepseek read_deepseek(Source& source, bool interleaved, const DeepseekDefaults& defaults);
/// n_group and topk_group.
void read_expert_groups(Keys& keys, const DeepseekDefaults& defaults, MoeShape& shape);
/// DeepSeek-V3's choice of experts: by sigmoid and bias, from the best groups, with scaled weights.
void read_sigmoid_routing(Keys& keys, const DeepseekDefaults& defaults, MoeShape& shape);
/// The same with the sizes of the experts, for decoders with another attention.
MoeShape read_sigmoid_moe(Keys& keys, const char* experts_key, const char* shared_key,
                          const DeepseekDefaults& defaults);
ModelSpec build(const Source& source, const Deepseek& deepseek);

}  // namespace assay

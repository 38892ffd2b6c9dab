#pragma once
#include "model/arch/arch.h"

namespace assay {

/// What DeepSeek's decoders share: latent attention in every layer, a mixture of experts in most.
struct Deepseek {
  Decoder decoder;
  int64_t q_rank = 0, kv_rank = 0;  ///< q_rank 0: q is made from the hidden state itself
  int64_t nope_dim = 0, rope_dim = 0, value_dim = 0;
  bool bias = false;
  MoeShape moe;  ///< no experts: every layer is dense
  int64_t first_mixture = 0, mixture_step = 1;
  bool choice_bias = false;  ///< the router stores a bias for choosing
};

struct DeepseekDefaults {
  int64_t first_mixture = 0;
  int64_t groups = 1, top_groups = 1;
  double routed_scale = 1;
};

Deepseek read_deepseek(Source& source, bool interleaved, const DeepseekDefaults& defaults);
/// n_group and topk_group.
void read_expert_groups(Keys& keys, const DeepseekDefaults& defaults, MoeShape& shape);
ModelSpec build(const Source& source, const Deepseek& deepseek);

}  // namespace assay

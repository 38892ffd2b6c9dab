#include "model/arch/deepseek.h"

namespace assay::arch {

/// Latent attention and many small experts, chosen by group. Also Kimi K2, whose code is a copy of this model's. Layers
/// stored after the last are for multi-token prediction and no part of the model. Groups that are not chosen count as
/// minus infinity, as in DeepSeek's own code; the mainstream library makes their experts' scores 0, so that one of them
/// could win against a negative score, which a checkpoint never meant.
ModelSpec deepseek_v3(Source& source) {
  Keys& keys = source.keys;
  const DeepseekDefaults defaults{.first_mixture = 3, .groups = 8, .top_groups = 4, .routed_scale = 2.5};
  Deepseek deepseek = read_deepseek(source, keys.boolean_or("rope_interleave", true), defaults);
  if (deepseek.moe.experts == 0) return build(source, deepseek);
  read_sigmoid_routing(keys, defaults, deepseek.moe);
  return build(source, deepseek);
}

}  // namespace assay::arch

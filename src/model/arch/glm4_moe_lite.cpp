#include "model/arch/deepseek.h"

namespace assay::arch {

/// GLM-4.7-Flash: DeepSeek-V3 with other defaults.
ModelSpec glm4_moe_lite(Source& source) {
  Keys& keys = source.keys;
  const DeepseekDefaults defaults{.first_mixture = 1, .routed_scale = 1.8, .norm_eps = 1e-5};
  Deepseek deepseek = read_deepseek(source, keys.boolean_or("rope_interleave", true), defaults);
  if (deepseek.moe.experts > 0) read_sigmoid_routing(keys, defaults, deepseek.moe);
  return build(source, deepseek);
}

}  // namespace assay::arch

#include "model/arch/deepseek.h"

namespace assay::arch {

/// Latent attention and a mixture of experts with plain softmax scores. No published config has norm_topk_prob, which
/// DeepSeek's code and the mainstream library understand in different ways.
ModelSpec deepseek_v2(Source& source) {
  Keys& keys = source.keys;
  Deepseek deepseek = read_deepseek(source, true, {});
  deepseek.decoder.mlp_bias = keys.boolean_or("mlp_bias", false);
  if (deepseek.moe.experts == 0) return build(source, deepseek);
  if (keys.string_or("scoring_func", "softmax") != "softmax") keys.refuse("scoring_func", "softmax");
  if (keys.boolean_or("norm_topk_prob", false)) keys.refuse("norm_topk_prob", "false");
  deepseek.moe.routing.renormalize = false;
  const std::string method = keys.string_or("topk_method", "greedy");
  if (method == "group_limited_greedy") {
    read_expert_groups(keys, {}, deepseek.moe);
  } else if (method == "greedy") {
    keys.ignore({"n_group", "topk_group"});
  } else {
    keys.refuse("topk_method", "greedy or group_limited_greedy");
  }
  return build(source, deepseek);
}

}  // namespace assay::arch

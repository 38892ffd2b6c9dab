#include <cmath>

#include "model/arch/granite.h"

namespace assay::arch {

/// Granite with norms of what attention and MLP add, and logits that are multiplied by what Granite divides them by.
ModelSpec hyperclovax(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_granite(source);
  if (!keys.has("attention_multiplier")) decoder.score_scale = 1 / std::sqrt(static_cast<double>(decoder.head_dim));
  decoder.logit_multiplier = keys.positive_or("logits_scaling", 1);
  if (keys.boolean_or("use_post_norm", true)) {
    decoder.names.attention_output_norm = "post_norm1";
    decoder.names.mlp_output_norm = "post_norm2";
  }
  return build(source, decoder);
}

}  // namespace assay::arch

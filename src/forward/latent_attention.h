#pragma once
#include "forward/blocks.h"
#include "forward/norm.h"

namespace assay {

/// LatentAttentionSpec on the device.
class LatentAttention : public Body {
 public:
  LatentAttention(RunContext& context, const LatentAttentionSpec& spec);
  void run(RunContext& context, Matrix h, Matrix y, bool accumulate) const override;

 private:
  Matrix queries(RunContext& context, Matrix h) const;
  std::pair<Matrix, Matrix> keys_and_values(RunContext& context, Matrix h) const;
  void rotate(RunContext& context, Matrix heads, int64_t heads_per_row) const;

  const LatentAttentionSpec* spec_;
  Linear q_a_, q_, kv_a_, k_b_, v_b_, o_;
  Norm q_norm_, kv_norm_;
  ActivationQuant cache_quant_;
};

}  // namespace assay

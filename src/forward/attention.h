#pragma once
#include <memory>
#include <vector>

#include "forward/blocks.h"
#include "forward/norm.h"

namespace assay {

/// AttentionSpec on the device: o(attention(q, k, v)).
class Attention : public Body {
 public:
  Attention(RunContext& context, const AttentionSpec& spec);
  void run(RunContext& context, Matrix h, Matrix y, bool accumulate) const override;

 private:
  /// q or k after its product.
  struct Heads {
    std::vector<Norm> norms;
    std::shared_ptr<const Weight> transform;
    ActivationQuant quant;
  };
  void position(RunContext& context, Matrix x, const Heads& heads) const;
  void normalize(Device& device, Matrix x, const Heads& heads) const;
  std::pair<Matrix, Matrix> keys_and_values(RunContext& context, Matrix k, Matrix v) const;
  void make_values(RunContext& context, Matrix v) const;
  void scale_queries(RunContext& context, Matrix q) const;

  const AttentionSpec* spec_;
  Heads q_heads_, k_heads_;
  ActivationQuant v_quant_;
  Norm v_norm_, output_norm_;
  Buffer sinks_, key_bias_;
  Linear q_, k_, v_, gate_, o_;
};

}  // namespace assay

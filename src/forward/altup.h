#pragma once
#include "forward/blocks.h"
#include "forward/layer_input.h"
#include "forward/norm.h"

namespace assay {

/// A layer of a model that keeps several streams (AltupSpec): predicts them all, runs attention and MLP on the active
/// one, and corrects them all by how that one came out.
class AltupBlock : public LayerBlock {
 public:
  AltupBlock(RunContext& context, const LayerSpec& layer);
  /// x [sequences * length, streams * hidden], in place.
  void run(RunContext& context, Matrix x) const override;

 private:
  std::vector<float> coefficients(RunContext& context, Matrix active, const Linear& linear) const;
  void predict(RunContext& context, Matrix x) const;
  Matrix run_layer(RunContext& context, Matrix active) const;
  void correct(RunContext& context, Matrix x, Matrix predicted, Matrix result) const;
  void add_layer_input(RunContext& context, Matrix x) const;
  Matrix stream(Matrix x, int64_t index) const;

  const AltupSpec* spec_;
  std::unique_ptr<Body> mixer_, mlp_;
  Norm mixer_norm_, mixer_output_norm_, mlp_norm_, mlp_output_norm_, router_norm_, laurel_norm_;
  Linear router_, predict_, correct_, laurel_left_, laurel_right_;
  Buffer output_scale_;
  LayerInput layer_input_;
};

}  // namespace assay

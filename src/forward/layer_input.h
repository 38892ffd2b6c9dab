#pragma once
#include <span>

#include "forward/context.h"
#include "forward/norm.h"

namespace assay {

/// LayerInputSpec on the device.
class LayerInput {
 public:
  LayerInput() = default;
  LayerInput(RunContext& context, const LayerInputSpec& spec);
  /// y = norm(project(act(gate(x)) * input)) for the tokens from context.first_token on.
  void run(RunContext& context, Matrix x, Matrix y) const;

 private:
  const LayerInputSpec* spec_ = nullptr;
  Linear gate_, project_;
  Norm norm_;
};

/// Makes what LayerInput takes of each token (LayerInputsSpec) and keeps it in context.layer_inputs.
class LayerInputs {
 public:
  LayerInputs(RunContext& context, const LayerInputsSpec& spec, int64_t tokens, bool spill);
  /// For the sequence of `ids` that begins at token `first`, with embeddings x.
  void add(RunContext& context, int64_t first, std::span<const int32_t> ids, Matrix x);

 private:
  const LayerInputsSpec* spec_;
  Linear project_;
  Norm norm_;
  HiddenStates embedded_;
};

}  // namespace assay

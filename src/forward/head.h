#pragma once
#include <functional>
#include <optional>

#include "forward/context.h"
#include "forward/hidden.h"
#include "forward/norm.h"
#include "forward/plan.h"
#include "forward/streams.h"

namespace assay {

/// What stands between the last layer and the head: a norm, a projection, or nothing.
class FinalStates {
 public:
  explicit FinalStates(RunContext& context);
  /// In the workspace; x stays as it is.
  Matrix normed(RunContext& context, Matrix x) const;
  Matrix projected(RunContext& context, Matrix normed) const;

 private:
  std::optional<Streams> streams_;
  Norm norm_;
  std::optional<Linear> project_;
};

/// What ModelSpec makes of a head's product.
float shaped_logit(const ModelSpec& spec, float logit);

/// A model whose blocks have run.
struct PackedModel {
  RunContext& context;
  const EvalInput& input;
  HiddenStates& hidden;
  const Plan& plan;
};

/// Overwrites the hidden states with what the head sees at the scored positions, packed to the front.
void pack_scored(const PackedModel& model);

/// Head and statistics of the scored positions of packed models on the same input and with the same reference, whose
/// logits are made once for all of them. Logits exist only as tiles of tokens x vocabulary. The numbers of a model do
/// not depend on the others. `progress` may throw.
std::vector<EvalResult> score(std::span<const PackedModel> models,
                              const std::function<void(double fraction)>& progress);

}  // namespace assay

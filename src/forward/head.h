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

/// Final norm, head and statistics of the scored positions. Logits exist only as tiles of tokens x vocabulary. The
/// hidden states are overwritten with the normed states of the scored positions, packed to the front.
void score(RunContext& context, const EvalInput& input, HiddenStates& hidden, const Plan& plan, EvalResult& result,
           const std::function<void(double fraction)>& progress);

}  // namespace assay

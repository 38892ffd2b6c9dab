#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "model/spec.h"

namespace assay {

/// Which expert sees which tokens, and with what weight.
struct Routing {
  struct Expert {
    std::vector<int32_t> tokens;  // ascending
    std::vector<float> weights;
  };
  std::vector<Expert> experts;
};

/// Chooses experts for each row of logits [tokens, routing.experts.size()] and appends them; tokens are numbered from
/// `first_token`. Equal scores go to the lower index. `bias` is the values of RoutingSpec::bias, or empty.
void route(const RoutingSpec& spec, std::span<const float> logits, std::span<const float> bias, int64_t first_token,
           Routing& routing);

}  // namespace assay

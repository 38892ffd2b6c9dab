#pragma once
#include <initializer_list>
#include <span>

#include "forward/context.h"

namespace assay {

struct Projection {
  const Linear& linear;
  Matrix y;
};

/// y = linear(x) for linears that read the same x; what several of them do to it alike is done once.
void project(RunContext& context, Matrix x, std::span<const Projection> projections);
inline void project(RunContext& context, Matrix x, std::initializer_list<Projection> projections) {
  project(context, x, std::span(projections.begin(), projections.size()));
}
/// y = linear(x), or y += linear(x).
void project(RunContext& context, Matrix x, const Linear& linear, Matrix y, bool accumulate);

}  // namespace assay

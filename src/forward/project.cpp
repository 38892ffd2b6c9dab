#include "forward/project.h"

#include <string>
#include <vector>

namespace assay {

void project(RunContext& context, Matrix x, std::span<const Projection> projections) {
  std::vector<std::pair<const LinearInput*, Matrix>> seen;
  for (const auto& [linear, y] : projections) {
    const LinearInput& input = linear.input();
    auto known = seen.begin();
    while (known != seen.end() && !(*known->first == input)) ++known;
    if (known == seen.end()) {
      const std::string purpose = "projected input " + std::to_string(seen.size());
      seen.emplace_back(&input, context.times.time("activations", [&] {
        return input.apply(context.device, context.workspace, purpose, x, context.length);
      }));
      known = seen.end() - 1;
    }
    context.times.time("linear", [&] { linear.apply(context.device, context.workspace, known->second, y, false); });
  }
}

void project(RunContext& context, Matrix x, const Linear& linear, Matrix y, bool accumulate) {
  const Matrix in = context.times.time("activations", [&] {
    return linear.input().apply(context.device, context.workspace, "projected input 0", x, context.length);
  });
  context.times.time("linear", [&] { linear.apply(context.device, context.workspace, in, y, accumulate); });
}

}  // namespace assay

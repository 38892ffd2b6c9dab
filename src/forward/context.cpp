#include "forward/context.h"

#include <chrono>

namespace assay {

double StageTimes::now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<int32_t> RunContext::positions(int64_t rows) const {
  std::vector<int32_t> positions(static_cast<size_t>(rows));
  for (int64_t r = 0; r < rows; ++r) positions[r] = static_cast<int32_t>(r % length);
  return positions;
}

}  // namespace assay

#include "forward/decay.h"

#include <cmath>

#include "base/error.h"

namespace assay {

std::vector<float> read_a_log(const WeightStore& store, const std::string& name, int64_t count) {
  std::vector<float> values = store.values(name, count);
  if (!name.ends_with(".A")) return values;
  for (float& value : values) {
    if (!(value < 0)) fail("tensor {}: expected -exp(A_log), negative numbers, found {}", name, value);
    value = static_cast<float>(std::log(-double{value}));
  }
  return values;
}

}  // namespace assay

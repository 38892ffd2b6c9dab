#include "forward/alibi.h"

#include "formats/shared/minifloat.h"

namespace assay {

std::vector<float> alibi_biases(const AlibiSpec& spec, int64_t length) {
  const auto rounded = [&](float x) { return spec.bf16 ? float_of_bf16(bits_of_bf16(x)) : x; };
  const auto factor = static_cast<float>(spec.factor);
  std::vector<float> biases;
  biases.reserve(spec.slopes.size() * static_cast<size_t>(length));
  for (const double slope : spec.slopes) {
    const float own = rounded(static_cast<float>(slope));
    for (int64_t j = 0; j < length; ++j) {
      biases.push_back(rounded(own * rounded(static_cast<float>(j))) * factor);
    }
  }
  return biases;
}

}  // namespace assay

#pragma once
#include <cstdint>
#include <vector>

#include "model/spec.h"

namespace assay {

/// What is added to the scaled score of each key, [heads, length] row-major.
std::vector<float> alibi_biases(const AlibiSpec& spec, int64_t length);

}  // namespace assay

#pragma once
#include "forward/linear.h"

namespace assay {

/// A_log of a stored tensor [count], or of A = -exp(A_log) where the tensor is called so, as in GGUF files. The
/// logarithm is taken in double precision: what is left is the rounding of A, which a float32 pass that starts from
/// A_log has too.
std::vector<float> read_a_log(const WeightStore& store, const std::string& name, int64_t count);

}  // namespace assay

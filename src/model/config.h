#pragma once
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/spec.h"

namespace assay {

/// config.json and tensor names to a ModelSpec. Throws Error for an unknown model_type (naming the known ones), a
/// missing or contradictory key, and for a key that would change the maths and is not handled.
ModelSpec read_model_spec(const Checkpoint& checkpoint);

/// Known model types, as `assay architectures` lists them.
std::vector<std::string> architectures();

}  // namespace assay

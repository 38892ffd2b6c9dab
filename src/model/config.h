#pragma once
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/spec.h"

namespace assay {

/// config.json and tensor names to a ModelSpec. Throws Error for an unknown model_type (naming the known ones), a
/// missing or contradictory key, and for a key that would change the maths and is not handled. A model of unknown type
/// is read as one of type `assume` ("llama", or empty for none) if its names are Llama's and every key is known; a note
/// says so.
ModelSpec read_model_spec(const Checkpoint& checkpoint, const std::string& assume = "");

/// Known model types, as `assay architectures` lists them.
std::vector<std::string> architectures();

}  // namespace assay

#pragma once
#include "base/json.h"
#include "report/result.h"

namespace assay {

/// As the result cache keeps it.
Json measurement_to_json(const Measurement& measurement);
Measurement measurement_from_json(const JsonObject& json);

}  // namespace assay

#pragma once
#include <string>

#include "base/json.h"
#include "report/result.h"

namespace assay {

/// Schema assay.results/1 (docs/results.md). Numbers keep every digit; a number that does not exist is null.
std::string results_json(const Result& result);
/// The array that compare_q prints last: label, layer_bpw, head_bpw, vram_gb, ppl of the models that have them.
std::string compare_q_json(const Result& result);
/// Schema assay.inspect/1.
std::string inspect_json(const std::vector<InspectRecord>& records);

/// A measurement as the result cache keeps it.
Json measurement_to_json(const Measurement& measurement);
Measurement measurement_from_json(const JsonObject& json);

}  // namespace assay

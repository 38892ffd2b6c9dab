#pragma once
#include <string>

#include "base/json.h"
#include "report/result.h"

namespace assay {

/// Schema assay.results/1 (docs/results.md). Numbers keep every digit; a number that does not exist is null.
std::string results_json(const Result& result);
/// A report that results_json wrote; `where` begins every message. Error for another schema, and for numbers that do
/// not fit together.
Result results_from_json(const Json& json, const std::string& where);
/// The array that compare_q prints last: label, layer_bpw, head_bpw, vram_gb, ppl of the models that have them, and kld
/// where there is a reference.
std::string compare_q_json(const Result& result);
/// Schema assay.inspect/1.
std::string inspect_json(const std::vector<InspectRecord>& records);

/// A measurement as the result cache keeps it.
Json measurement_to_json(const Measurement& measurement);
Measurement measurement_from_json(const JsonObject& json);

}  // namespace assay

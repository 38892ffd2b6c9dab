#pragma once
#include <string>

#include "report/result.h"
#include "report/text_table.h"

namespace assay {

/// One line a model, and below them what failed and which numbers the spec has overridden.
std::string results_table(const Result& result, int width);
/// What stands below the table, line by line.
std::string results_notes(const Result& result);
/// The same as a Markdown table.
std::string results_markdown(const Result& result);
/// One line a model with every digit.
std::string results_csv(const Result& result);

/// What is in a checkpoint, for people; `layers` adds a line for each layer.
std::string inspect_table(const InspectRecord& record, bool layers, int width);

}  // namespace assay

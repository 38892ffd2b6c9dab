#pragma once
#include "cli/benchmark.h"
#include "tokens/rows.h"

namespace assay {

/// "Qwen3-8B-AWQ" of ".../Qwen3-8B-AWQ/".
std::string label_of(const std::filesystem::path& model);
/// What the options of one model's commands ask for.
DataSpec data_spec(const PplRequest& request);
/// Where a model's own tokenizer is, if it has one.
std::filesystem::path tokenizer_of(const Checkpoint& checkpoint);

/// Makes the rows of a spec and says what they are.
BenchmarkData load_data(const DataSpec& spec, const std::filesystem::path& text, const RunOptions& options,
                        Console& console);

}  // namespace assay

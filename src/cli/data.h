#pragma once
#include "cli/benchmark.h"
#include "tokens/rows.h"

namespace assay {

/// Makes the rows of a spec and says what they are.
BenchmarkData load_data(const DataSpec& spec, const std::filesystem::path& text, const RunOptions& options,
                        Console& console);

}  // namespace assay

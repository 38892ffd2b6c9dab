#pragma once
#include <filesystem>
#include <string>

#include "formats/format.h"

namespace assay {

/// Writes a checkpoint with one module alone, whose weight is [rows, cols] now: its tensors repeated along the axes
/// that grow with the weight, which other modules of the same format show. Error when that does not fit the format.
void enlarge(const Checkpoint& checkpoint, const QuantConfig& quant, const StoredWeight& weight, int64_t rows,
             int64_t cols, const std::filesystem::path& folder);

}  // namespace assay

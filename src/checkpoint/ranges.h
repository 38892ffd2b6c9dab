#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "checkpoint/checkpoint.h"

namespace assay {

/// Refuses tensors of one file that share bytes; returns how many of the `data_bytes` belong to none. Their ranges lie
/// inside the file.
uint64_t check_ranges(const std::map<std::string, StoredTensor, std::less<>>& tensors, uint64_t data_bytes,
                      const std::string& where);

}  // namespace assay

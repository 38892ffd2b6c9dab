#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/input_file.h"

namespace assay {

// A .safetensors file:
//   u64 little-endian   length of the header
//   header              JSON: {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [begin, end]}, ...},
//                       offsets counted from the end of the header; padded with blanks;
//                       "__metadata__" is reserved for a mapping of strings
//   data                little-endian, row-major
struct SafetensorsHeader {
  std::map<std::string, StoredTensor, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> metadata;
  /// Without the name of the file.
  std::vector<std::string> notes;
};

/// Reads and validates the header; StoredTensor::file stays 0.
SafetensorsHeader read_safetensors(const InputFile& file);

/// The same for a header in memory: the JSON text of a file of `file_bytes` bytes. `where` begins every message.
SafetensorsHeader parse_safetensors(std::string_view header, uint64_t file_bytes, const std::string& where);

}  // namespace assay

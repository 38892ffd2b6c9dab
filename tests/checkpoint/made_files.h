#pragma once
#include <cstdint>
#include <string>

#include "support/errors.h"

namespace assay::test {

/// A .safetensors file: the header's length, the header, and `data_bytes` bytes 0, 1, 2, ...
inline std::string safetensors(const std::string& header, size_t data_bytes) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(uint64_t{header.size()} >> (8 * i) & 0xff);
  file += header;
  for (size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i & 0xff);
  return file;
}

/// One U8 tensor of `bytes` bytes.
inline std::string one_tensor(const std::string& name, size_t bytes) {
  const std::string size = std::to_string(bytes);
  return safetensors(R"({")" + name + R"(":{"dtype":"U8","shape":[)" + size + R"(],"data_offsets":[0,)" + size + "]}}",
                     bytes);
}

}  // namespace assay::test

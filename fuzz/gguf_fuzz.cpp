// Any bytes as a .gguf file: opening it either throws Error or yields tensors that lie inside the file.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/gguf.h"
#include "memory_file.h"

namespace {

void check(const assay::GgufHeader& header, uint64_t file_bytes) {
  std::vector<const assay::StoredTensor*> order;
  for (const auto& [name, tensor] : header.tensors) {
    require(tensor.name == name);
    require(tensor.offset <= file_bytes && tensor.bytes <= file_bytes - tensor.offset);
    const assay::Block block = assay::block_of(tensor.dtype);
    require(static_cast<int64_t>(tensor.bytes) == tensor.elements() / block.elements * block.bytes);
    if (tensor.bytes > 0) order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) require(order[i - 1]->offset + order[i - 1]->bytes <= order[i]->offset);
  for (const auto& [key, value] : header.metadata->values()) header.metadata->json(key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  try {
    check(assay::read_gguf(file.path()), size);
  } catch (const assay::Error& e) {
    require(std::string_view(e.what()).size() < 2000);
  }
  return 0;
}

#include "checkpoint/ranges.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace assay {

uint64_t check_ranges(const std::map<std::string, StoredTensor, std::less<>>& tensors, uint64_t data_bytes,
                      const std::string& where) {
  std::vector<const StoredTensor*> order;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.bytes > 0) order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  uint64_t used = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    used += order[i]->bytes;
    if (i > 0 && order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset) {
      fail("{}: tensor {} and tensor {} share bytes of the file", where, printable(order[i - 1]->name),
           printable(order[i]->name));
    }
  }
  return data_bytes - used;
}

}  // namespace assay

#include "formats/shared/column_order.h"

#include <algorithm>

#include "base/error.h"

namespace assay {

void order_columns(const StoredTensor& tensor, float* rows, int64_t count) {
  if (!tensor.row_order || tensor.shape.size() != 2) return;
  const auto height = static_cast<size_t>(tensor.shape[0]), width = static_cast<size_t>(tensor.shape[1]);
  if (tensor.row_order->size() == height) return;
  ASSAY_CHECK(tensor.row_order->size() == height + width);
  const int64_t* order = tensor.row_order->data() + height;
  std::vector<float> stored(width);
  for (float* row = rows; row < rows + count * static_cast<int64_t>(width); row += width) {
    std::copy_n(row, width, stored.begin());
    for (size_t c = 0; c < width; ++c) row[c] = stored[static_cast<size_t>(order[c])];
  }
}

}  // namespace assay

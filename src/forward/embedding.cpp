#include "forward/embedding.h"

#include <algorithm>
#include <map>
#include <vector>

namespace assay {

void embed(const WeightStore& store, std::span<const int32_t> ids, HiddenStates& hidden) {
  const StoredWeight& embedding = store.embedding();
  const int64_t tile = std::max<int64_t>(64, embedding.row_alignment());
  std::map<int64_t, std::vector<int64_t>> positions;  // by tile of the vocabulary
  for (size_t t = 0; t < ids.size(); ++t) positions[ids[t] / tile].push_back(static_cast<int64_t>(t));

  const int64_t width = embedding.cols();
  std::vector<float> decoded(static_cast<size_t>(std::min(tile, embedding.rows()) * width));
  for (const auto& [index, tokens] : positions) {
    const int64_t first = index * tile;
    embedding.decode(first, std::min(first + tile, embedding.rows()), decoded.data());
    for (const int64_t t : tokens)
      hidden.write_row(t, std::span(decoded).subspan(static_cast<size_t>((ids[t] - first) * width), width));
  }
}

}  // namespace assay

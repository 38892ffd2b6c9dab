#pragma once
#include <cstdint>
#include <vector>

#include "formats/format.h"
#include "formats/shared/scale_grid.h"

namespace assay {

/// Columns of a stored matrix as rows, each padded with zeros to whole 32-bit words.
struct ColumnWords {
  std::vector<uint32_t> words;
  int64_t length = 0;  // words a row

  const uint32_t* row(int64_t index) const { return words.data() + index * length; }
};

/// Columns [begin, end) of a matrix [height, width] with elements of 1, 2, 4 or 8 bytes.
ColumnWords read_columns(const Checkpoint& checkpoint, const StoredTensor& matrix, int64_t begin, int64_t end);

/// The scales of weight rows [begin, end) from a tensor [groups, out]: one number for `group_size` of `cols` columns.
/// `groups` of them count; a tensor may be padded with more. A scale that is not finite is an Error that says which.
ScaleGrid::Rows read_column_scales(const Module& module, const StoredTensor& scales, int64_t begin, int64_t end,
                                   int64_t cols, int64_t group_size, int64_t groups);

}  // namespace assay

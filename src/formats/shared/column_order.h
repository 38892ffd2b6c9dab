#pragma once
#include "checkpoint/checkpoint.h"

namespace assay {

/// Puts the columns of `count` decoded rows of a matrix in the order that its row_order has after that of the rows.
void order_columns(const StoredTensor& tensor, float* rows, int64_t count);

}  // namespace assay

#pragma once
#include <cstdint>

namespace assay {

/// Which corpus tokens the observations [rows, count] of a run belong to: observation j of row r is about token
/// r * stride + offset + j. Rows share text when stride < length.
struct Windows {
  int64_t rows = 0, count = 0;
  int64_t length = 0, stride = 0;
  int64_t offset = 0;

  int64_t observations() const { return rows * count; }
  bool overlap() const { return stride < length; }
};

}  // namespace assay

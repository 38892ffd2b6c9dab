#pragma once
#include "formats/quanto/config.h"
#include "formats/shared/chunked_codes.h"
#include "formats/shared/scale_grid.h"

namespace assay {

// The packed types of optimum-quanto: qint4, qint2.
//
//   weight._data._data  U8     [ceil(R / k), g]   k = 8 / bits;  R = out * in / g
//   weight._scale       float  [R, 1]
//   weight._shift       float  [R, 1]             or an integer type: a zero point
//
// The weight, row by row, is a matrix of codes [R, g], whose rows are cut into k chunks that share bytes, the first in
// the lowest bits (HQQ does it the other way round). Nothing stored says what out and in are: the model must.
//
//   W = scale * q - shift           float shift, in float32; the library computes in the type of the scale
//   W = (q - shift) * scale         integer shift
class QuantoPacked : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"qint4, qint2", "quanto", "2, 4",
                                    "weight._data._data U8 [ceil(R/k), g], weight._scale and ._shift float [R, 1]"};

  static bool matches(const Module& module) {
    return module.config().method() == quanto::kMethod && module.has("weight._data._data");
  }

  explicit QuantoPacked(const Module& module);
  std::string format() const override { return format_; }
  void decode(int64_t begin, int64_t end, float* out) const override;

 private:
  std::string format_;
  ChunkedCodes codes_;
  int64_t group_size_ = 0;
  ScaleGrid scales_, shifts_;  // over the matrix [R, g]
  bool is_offset_ = true;      // a float shift
};

}  // namespace assay

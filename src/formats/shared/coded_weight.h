#pragma once
#include <string>

#include "formats/format.h"
#include "formats/shared/scale_grid.h"

namespace assay {

/// How a row of codes is stored. `unpack` makes `count` floats of the `row_bytes` bytes of one row.
struct RowCodes {
  int bits = 8;
  void (*unpack)(const uint8_t* row, int64_t row_bytes, int64_t count, float* out) = nullptr;

  int64_t row_bytes(int64_t cols) const { return (cols * bits + 7) / 8; }
};
namespace row_codes {
RowCodes e4m3();
RowCodes e5m2();
/// Two a byte, the even column in the low nibble.
RowCodes e2m1();
/// One a byte, which has 6 bits.
RowCodes e2m3_bytes();
RowCodes e3m2_bytes();
RowCodes int8();
/// Two a byte like e2m1, two's complement.
RowCodes int4();
}  // namespace row_codes

/// A weight of codes, row by row, under scales in rectangular blocks. What most formats come down to:
///   W = (code - zero) * scale [* column scale]
/// A format's constructor says where they are; what is special about its scales it overrides.
class CodedWeight : public StoredWeight {
 public:
  std::string format() const override { return format_; }
  void decode(int64_t begin, int64_t end, float* out) const override;

 protected:
  /// `format`: family and variant.
  CodedWeight(const Module& module, std::string format) : StoredWeight(module), format_(std::move(format)) {}

  /// The tensor that holds [rows, cols] codes; leading dimensions of it are rows too. Refuses an empty one.
  void set_codes(const StoredTensor& tensor, RowCodes codes);
  /// One scale for each block; blocks may be larger than the weight.
  void set_scales(const StoredTensor& scale, DType as, int64_t row_block, int64_t col_block);
  /// The same in the type that they are stored in, which must be a float.
  void set_float_scales(const StoredTensor& scale, int64_t row_block, int64_t col_block);
  /// A stored float vector [cols] by which every row is multiplied.
  void set_column_scale(const StoredTensor& scale);
  /// Its values: finite, none 0.
  std::vector<float> read_column_scale() const;

  /// The scales (and zero points) of rows [begin, end).
  virtual ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const;
  /// Codes of a row to weights, in place.
  virtual void apply_scales(const ScaleGrid::Rows& scales, int64_t row, float* w) const;

  /// For scales whose zeros are offsets: W = (code - lowest) * scale + zero, the product rounded before the sum.
  static void add_offsets(const ScaleGrid::Rows& scales, int64_t row, float* w, float lowest = 0);

  std::string format_;
  const StoredTensor* codes_ = nullptr;
  RowCodes row_codes_;
  ScaleGrid scales_;
  const StoredTensor* column_scale_ = nullptr;  // or null
};

/// Multiplies the scales by a stored scalar; Error when one comes out infinite.
void multiply_scales(const Module& module, const StoredTensor& global, ScaleGrid::Rows& scales);

/// E4M3 activations under one static scale from the checkpoint: positive and finite.
ActivationQuant static_e4m3(const Module& module, const StoredTensor& scale);

}  // namespace assay

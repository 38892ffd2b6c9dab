#pragma once
#include "formats/mlx/config.h"
#include "formats/shared/coded_weight.h"

namespace assay {

// MLX's own quantization: integers under a scale and an offset for each group of columns.
//
//   weight   U32    [out, in * b / 32]   a stream of b-bit fields, the first in the lowest bits; 3, 5, 6 bits straddle
//   scales   float  [out, in / g]        may be negative
//   biases   float  [out, in / g]        of the type of scales; "bias" is the layer's own
//   or all three with a leading dimension of experts
//
//   W = q * scale + bias        q from 0 up; the product is rounded before the sum
//
// b and g stand in the config, for each module by itself; b is 2, 3, 4, 5, 6 or 8. Embeddings are quantized like
// linear layers.
class MlxAffine : public CodedWeight {
 public:
  static constexpr FormatInfo kInfo{"affine", "mlx", "2-8",
                                    "weight U32 [out, in*b/32], scales float [out, in/g], biases float [out, in/g]"};

  static bool matches(const Module& module) { return mlx::stores(module, "affine"); }

  explicit MlxAffine(const Module& module);

 private:
  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const override;
  void apply_scales(const ScaleGrid::Rows& scales, int64_t row, float* w) const override;

  ScaleGrid biases_;
  float lowest_ = 0;  // what the unpacked codes begin at
};

}  // namespace assay

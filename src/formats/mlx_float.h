#pragma once
#include "formats/mlx/config.h"
#include "formats/shared/coded_weight.h"

namespace assay {

// The floating-point modes of MLX: mxfp4, mxfp8, nvfp4.
//
//   weight        U32  [out, in / 8 | in / 4]   E2M1, or E4M3 for mxfp8, the first code in the lowest bits
//   scales        U8   [out, in / 32]           mxfp4, mxfp8: E8M0;  nvfp4: E4M3 [out, in / 16]
//   or both with a leading dimension of experts
//   global_scale  F32  [experts]                nvfp4, if its maker was asked for one: max |W| of each expert
//
//   W = code * scale
//   W = code * (scale * (global_scale / (6 * 448)))
class MlxFloat : public CodedWeight {
 public:
  static constexpr FormatInfo kInfo{"mxfp4, mxfp8, nvfp4", "mlx", "4, 8",
                                    "weight U32 [out, in/8 | in/4], scales U8 [out, in/32 | in/16]"};

  static bool matches(const Module& module) {
    return mlx::stores(module, "mxfp4") || mlx::stores(module, "mxfp8") || mlx::stores(module, "nvfp4");
  }

  explicit MlxFloat(const Module& module);

 private:
  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const override;

  const StoredTensor* global_ = nullptr;  // or null
  int64_t rows_each_ = 0;                 // rows under one global scale
};

}  // namespace assay

#pragma once
#include "formats/fp8/config.h"
#include "formats/shared/coded_weight.h"

namespace assay {

// FP8 under one scale for each block of the matrix, as DeepSeek-V3 introduced it. `weight_block_size` of the config is
// [R, C], usually [128, 128].
//
//   weight            F8_E4M3                 [out, in]
//   weight_scale_inv  F32 | BF16 | F8_E8M0    [ceil(out / R), ceil(in / C)]     "scale" in some newer files
//   or a stacked parameter "<name>" [experts, out, in] with "<name>_scale_inv" [experts, .., ..]
//
//   W = e4m3(code) * scale[row / R][column / C]
//
// Despite its name the scale multiplies. Blocks at the lower and right edge may be cut off; they have scales of their
// own, so the size of a block does not follow from the shapes. For matrices that the block does not divide, the
// transformers writer leaves the scale uninitialized.
//
// Inputs ("dynamic"): E4M3 under s = max(amax, 1e-10) / 448 of C consecutive columns, the next power of two of that
// under `scale_fmt: "ue8m0"`.
class Fp8Block : public CodedWeight {
 public:
  static constexpr FormatInfo kInfo{"block", "fp8", "8",
                                    "weight F8_E4M3 [out, in], weight_scale_inv [ceil(out/R), ceil(in/C)]"};

  static bool matches(const Module& module) {
    return fp8::stores_e4m3(module) && module.config().parsed<fp8::Config>().has_blocks;
  }

  explicit Fp8Block(const Module& module);
};

}  // namespace assay

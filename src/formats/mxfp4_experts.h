#pragma once
#include "formats/shared/coded_weight.h"

namespace assay {

// MXFP4 as gpt-oss stores its experts: a parameter of all experts, outputs before inputs.
//
//   <name>_blocks  U8    [experts, out, in / 32, 16]   E2M1, column 2k in the low nibble, 2k + 1 in the high one
//   <name>_scales  U8    [experts, out, in / 32]       E8M0
//   <name>_bias    BF16  [experts, out]                the layers' own
//
//   W[expert * out + row][column] = e2m1(code) * 2^(scale - 127)
//
// Only experts are packed. The parameter of transformers' model is the transpose, [experts, in, out]. Rows of
// gate_up_proj alternate: even ones are gates.
class Mxfp4Experts : public CodedWeight {
 public:
  static constexpr FormatInfo kInfo{
      "experts", "mxfp4", "4", "<name>_blocks U8 [experts, out, in/32, 16], <name>_scales U8 [experts, out, in/32]"};
  static constexpr int kGroup = 32;

  static bool matches(const Module& module) { return module.checkpoint().find(module.name() + "_blocks") != nullptr; }

  explicit Mxfp4Experts(const Module& module);
};

}  // namespace assay

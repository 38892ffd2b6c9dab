#pragma once
#include "formats/quark/config.h"

namespace assay {

// INT4 as AMD Quark exports it: eight outputs share a word.
//
//   weight             I32    [in, out / 8]
//   weight_scale       float  [groups, out]        [1, out]: per_channel
//   weight_zero_point  I32    [groups, out / 8]    also where the scheme is symmetric; all 0 there
//
//   nibble k of word c, the lowest first: output 8c + [0, 2, 4, 6, 1, 3, 5, 7][k] (pack_method "reorder", the order of
//   AutoAWQ) or 8c + k ("order")
//
//   W = (q - z) * scale          int4: two's complement, no zero point;  uint4: 0 .. 15
class QuarkInt4 : public quark::Weight {
 public:
  static constexpr FormatInfo kInfo{"int4", "quark", "4",
                                    "weight I32 [in, out/8], weight_scale float [in/g, out], weight_zero_point I32"};

  static bool matches(const Module& module) {
    return quark::stores(module, {DType::I32}, {DType::F32, DType::BF16, DType::F16});
  }

  explicit QuarkInt4(const Module& module);
  void decode(int64_t begin, int64_t end, float* out) const override;
  int64_t row_alignment() const override { return 8; }

 private:
  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const override;
  /// Codes [height] of one output from the words of its column.
  void unpack(const uint32_t* words, int64_t height, int64_t output, float* codes) const;

  const StoredTensor* scale_tensor_;
  const StoredTensor* zeros_ = nullptr;  // or null
  int64_t group_size_ = 0, groups_ = 0;
  bool is_signed_ = false;
  bool reorder_ = true;
};

}  // namespace assay

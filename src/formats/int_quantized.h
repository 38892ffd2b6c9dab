#pragma once
#include "formats/compressed_tensors/weight.h"
#include "formats/shared/reading.h"

namespace assay {

ASSAY_HD inline void unpack_int8(const uint8_t* codes, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(static_cast<int8_t>(codes[i]));
}

// Integers, one a byte, as compressed-tensors stores them ("int-quantized", "naive-quantized").
//
//   weight             I8     [out, in]   -2^(b-1) .. 2^(b-1) - 1 for b bits
//   weight_scale       float  [1] | [out, 1] | [out, in / g]
//   weight_zero_point  I8     as weight_scale; asymmetric schemes only; signed, not packed
//
//   W = (q - z) * scale
//
// Weights of 4 bits are stored this way too, one a byte, whenever activations are quantized: the stored size is 8 bits.
class IntQuantized : public compressed_tensors::Weight {
 public:
  static constexpr FormatInfo kInfo{"int-quantized", "compressed-tensors", "8",
                                    "weight I8 [out, in], weight_scale float, weight_zero_point I8"};

  static bool matches(const Module& module) { return compressed_tensors::stores(module, "weight", {DType::I8}); }

  explicit IntQuantized(const Module& module) : Weight(module) {
    codes_ = &module.expect("weight", {DType::I8}, {-1, -1});
    require_config(false, 0);
    init(codes_->shape[0], codes_->shape[1], kInfo.name);
    scales_ = float_scale_grid();
    zeros_ = byte_zero_points(scales_);
  }

  void decode(int64_t begin, int64_t end, float* out) const override {
    ScaleGrid::Rows scales = scales_.read(module_, begin, end);
    if (zeros_) read_byte_zero_points(*zeros_, scales);
    for_rows(module_.checkpoint(), *codes_, cols_, begin, end, [&](int64_t row, const uint8_t* codes) {
      float* w = out + (row - begin) * cols_;
      unpack_int8(codes, cols_, w);
      scales.apply(row, w);
    });
  }

 private:
  const StoredTensor* codes_;
  const StoredTensor* zeros_;  // or null
  ScaleGrid scales_;
};

}  // namespace assay

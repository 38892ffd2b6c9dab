#pragma once
#include "formats/compressed_tensors/weight.h"
#include "formats/shared/bits.h"
#include "formats/shared/reading.h"
#include "formats/shared/unpack.h"

namespace assay {

/// E2M3 codes, four in three bytes, the first in the lowest bits. `count` is a multiple of four.
ASSAY_HD inline void unpack_e2m3(const uint8_t* codes, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i += 4, codes += 3) {
    const uint32_t window = codes[0] | codes[1] << 8 | codes[2] << 16;
    for (int k = 0; k < 4; ++k) {
#ifdef __CUDA_ARCH__
      out[i + k] = float_of_e2m3(window >> 6 * k & 63);
#else
      out[i + k] = tables::kE2m3[window >> 6 * k & 63];
#endif
    }
  }
}

// MXFP6 as compressed-tensors (0.20 and later) stores it: E2M3 codes, a power of two for 32 columns.
//
//   weight_packed  U8            [out, in * 3 / 4]   four codes in three bytes:
//                                                    byte 0: a5..a0 b1 b0 -> bbaaaaaa, byte 1: ccccbbbb, byte 2:
//                                                    ddddddcc
//   weight_scale   U8 | F8_E8M0  [out, in / 32]      E8M0
//
//   W = e2m3(code) * 2^(scale - 127)
class Mxfp6Pack : public compressed_tensors::Weight {
 public:
  static constexpr FormatInfo kInfo{"mxfp6-pack-quantized", "compressed-tensors", "6",
                                    "weight_packed U8 [out, in*3/4], weight_scale U8 [out, in/32]"};
  static constexpr int kGroup = 32;

  /// MXFP4 differs from it in the width alone.
  static bool matches(const Module& module) {
    if (!compressed_tensors::stores(module, "weight_packed", {DType::U8})) return false;
    const StoredTensor* scale = module.find("weight_scale");
    const std::vector<int64_t>& codes = module.at("weight_packed").shape;
    return scale && scale->shape.size() == 2 && codes.size() == 2 && codes[1] % 3 == 0 &&
           ceil_div(codes[1] / 3 * 4, kGroup) == scale->shape[1];
  }

  explicit Mxfp6Pack(const Module& module) : Weight(module) {
    codes_ = &module.expect("weight_packed", {DType::U8}, {-1, -1});
    require_config(true, 6, kGroup);
    init(codes_->shape[0], codes_->shape[1] / 3 * 4, kInfo.name);
    const StoredTensor& scale = module.expect("weight_scale", {DType::U8, DType::F8_E8M0}, {rows_, -1});
    scales_ = ScaleGrid(module, scale, DType::F8_E8M0, rows_, cols_, 1, kGroup);
  }

  void decode(int64_t begin, int64_t end, float* out) const override {
    const ScaleGrid::Rows scales = scales_.read(module_, begin, end);
    for_rows(module_.checkpoint(), *codes_, cols_ / 4 * 3, begin, end, [&](int64_t row, const uint8_t* codes) {
      float* w = out + (row - begin) * cols_;
      unpack_e2m3(codes, cols_, w);
      scales.apply(row, w);
    });
  }

 private:
  const StoredTensor* codes_;
  ScaleGrid scales_;
};

}  // namespace assay

#pragma once
#include "checkpoint/printable.h"
#include "formats/autoround/config.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"
#include "formats/shared/unpack.h"

namespace assay {

// AutoRound's E4M3 weights.
//
//   weight            F8_E4M3          [out, in]
//   weight_scale      U8               [out, in / 32]   mx_fp: E8M0
//                     float            [out]            fp, whole rows; or [1], [out, 1]
//   weight_scale_inv  float            [ceil(out / rows), ceil(in / cols)]   fp, group_size [rows, cols]
//   input_scale       float            [1]              static activations
//
//   W = e4m3(code) * scale: a factor, in spite of "inv"
class AutoRoundFp8 : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"mxfp8|fp8|fp8_static", autoround::kMethod, "8",
                                    "weight F8_E4M3 [out, in], weight_scale U8 [out, in/32] | float [out] | "
                                    "weight_scale_inv float [out/128, in/128]"};

  static bool matches(const Module& module) {
    const StoredTensor* weight = module.find("weight");
    return module.config().method() == autoround::kMethod && weight && weight->dtype == DType::F8_E4M3;
  }

  explicit AutoRoundFp8(const Module& module) : StoredWeight(module) {
    const autoround::Scheme scheme = autoround::config_of(module).scheme_of(module.name());
    codes_ = &module.expect("weight", {DType::F8_E4M3}, {-1, -1});
    rows_ = codes_->shape[0];
    cols_ = codes_->shape[1];
    if (rows_ < 1 || cols_ < 1) module.refuse(fmt::format("{}: empty: {}", codes_->name, codes_->describe()));
    if (scheme.bits != 8) module.refuse(fmt::format("{} says {} bits; E4M3 has 8", where(), scheme.bits));
    find_scales(scheme);
    input_quant_ = autoround::input_quant(module, scheme, cols_);
    parts_ = autoround::parts_of(module);
  }

  std::string format() const override { return std::string(autoround::kMethod) + "/" + variant_; }

  void decode(int64_t begin, int64_t end, float* out) const override {
    if (begin == end) return;
    const ScaleGrid::Rows scales = grid_.read(module_, begin, end);
    for_rows(module_.checkpoint(), *codes_, cols_, begin, end, [&](int64_t row, const uint8_t* codes) {
      float* w = out + (row - begin) * cols_;
      unpack_e4m3(codes, cols_, w);
      scales.apply(row, w);
    });
  }

 private:
  const std::string& where() const { return autoround::config_of(module_).where(); }

  void find_scales(const autoround::Scheme& scheme) {
    const bool blocks = module_.has("weight_scale_inv");
    const StoredTensor& scale = module_.at(blocks ? "weight_scale_inv" : "weight_scale");
    const bool mx = scheme.data_type.starts_with("mx_fp");
    if (mx ? scale.dtype != DType::U8 : !is_float(scale.dtype)) {
      module_.refuse(fmt::format("{}: expected {} for data_type {}, found {}", scale.name, mx ? "U8" : "floats",
                                 printable(scheme.data_type), scale.describe()));
    }
    const int64_t group = scheme.group_size < 0 ? cols_ : std::min(scheme.group_size, cols_);
    const int64_t block_rows = std::min(scale.elements() == 1 ? rows_ : scheme.block_rows, rows_);
    grid_ = ScaleGrid(module_, scale, mx ? DType::F8_E8M0 : scale.dtype, rows_, cols_, block_rows, group);
    variant_ = mx ? "mxfp8" : blocks ? "fp8" : "fp8_static";
  }

  const StoredTensor* codes_;
  ScaleGrid grid_;
  std::string variant_;
};

}  // namespace assay

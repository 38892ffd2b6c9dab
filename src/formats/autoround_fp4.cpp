#include "formats/autoround_fp4.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace assay {

namespace {

/// An unsigned float of 5 bits of exponent and 3 of mantissa: half a float16 whose sign bit is the exponent's first.
float float_of_e5m3(uint8_t code) {
  if (code == 255) return std::numeric_limits<float>::quiet_NaN();
  const int exponent = code >> 3, mantissa = code & 7;
  if (exponent == 0) return std::ldexp(static_cast<float>(mantissa), -17);
  return std::ldexp(static_cast<float>(8 + mantissa), exponent - 18);
}

const std::array<tables::Pair, 256>& mxint4_pairs() {
  static constexpr auto kPairs = [] {
    constexpr auto value = [](int code) { return static_cast<float>(code & 7) / (code & 8 ? -4 : 4); };
    std::array<tables::Pair, 256> pairs{};
    for (int byte = 0; byte < 256; ++byte) pairs[byte] = {value(byte & 15), value(byte >> 4)};
    return pairs;
  }();
  return kPairs;
}

}  // namespace

AutoRoundFp4::Kind AutoRoundFp4::kind_of(const Module& module, const autoround::Scheme& scheme) {
  const auto& config = autoround::config_of(module);
  if (scheme.bits == 4 && scheme.data_type.starts_with("mx_fp")) return Kind::mxfp4;
  if (scheme.bits == 4 && scheme.data_type.starts_with("mx_int")) return Kind::mxint4;
  if (scheme.bits == 4 && (scheme.data_type == "nvfp4_v2" || config.packing().ends_with("e5m3"))) {
    return Kind::nvfp4_e5m3;
  }
  if (scheme.bits == 4 && scheme.data_type.starts_with("nv_fp")) return Kind::nvfp4;
  module.refuse(
      fmt::format("{} says {} bits of data_type {}; weight_packed is known for 4 bits of nv_fp, nvfp4_v2, "
                  "mx_fp, mx_int",
                  config.where(), scheme.bits, printable(scheme.data_type)));
}

AutoRoundFp4::AutoRoundFp4(const Module& module) : StoredWeight(module) {
  const autoround::Scheme scheme = autoround::config_of(module).scheme_of(module.name());
  kind_ = kind_of(module, scheme);
  codes_ = &module.expect("weight_packed", {DType::U8}, {-1, -1});
  rows_ = codes_->shape[0];
  cols_ = codes_->shape[1] * 2;
  if (rows_ < 1 || cols_ < 1) module.refuse(fmt::format("{}: empty: {}", codes_->name, codes_->describe()));
  const bool e8m0 = kind_ == Kind::mxfp4 || kind_ == Kind::mxint4;
  const DType stored = kind_ == Kind::nvfp4 ? DType::F8_E4M3 : DType::U8;
  scales_ = &module.expect("weight_scale", {stored}, {rows_, -1});
  const DType as = kind_ == Kind::nvfp4 ? DType::F8_E4M3 : DType::F8_E8M0;
  grid_ = ScaleGrid(module, *scales_, as, rows_, cols_, 1, e8m0 ? 32 : 16);
  if (kind_ == Kind::nvfp4) global_ = &module.expect("weight_global_scale", {DType::F32}, {1});
  input_quant_ = autoround::input_quant(module, scheme, cols_);
  parts_ = autoround::parts_of(module);
}

std::string AutoRoundFp4::format() const {
  constexpr const char* kNames[] = {"nvfp4", "mxfp4", "mxint4", "nvfp4_e5m3"};
  return fmt::format("{}/{}", autoround::kMethod, kNames[static_cast<int>(kind_)]);
}

ScaleGrid::Rows AutoRoundFp4::read_scales(int64_t begin, int64_t end) const {
  if (kind_ == Kind::nvfp4_e5m3) {
    const int64_t groups = scales_->shape[1];
    const auto codes = read_elements<uint8_t>(module_.checkpoint(), *scales_, begin * groups, (end - begin) * groups);
    std::vector<float> scales;
    for (uint8_t code : codes) scales.push_back(float_of_e5m3(code));
    require_finite(module_, *scales_, scales, begin * groups, groups);
    return {begin, end, cols_, grid_.col_block(), std::move(scales)};
  }
  ScaleGrid::Rows scales = grid_.read(module_, begin, end);
  if (!global_) return scales;
  const float divisor = read_scalar(module_, *global_);
  for (float& scale : scales.scales) {
    scale /= divisor;
    if (!std::isfinite(scale)) fail("{}: {} / {} is {}", name(), scales_->name, global_->name, scale);
  }
  return scales;
}

void AutoRoundFp4::decode(int64_t begin, int64_t end, float* out) const {
  if (begin == end) return;
  const ScaleGrid::Rows scales = read_scales(begin, end);
  const auto& pairs = kind_ == Kind::mxint4 ? mxint4_pairs() : tables::kE2m1Pairs;
  for_rows(module_.checkpoint(), *codes_, cols_ / 2, begin, end, [&](int64_t row, const uint8_t* codes) {
    float* w = out + (row - begin) * cols_;
    for (int64_t i = 0; i < cols_ / 2; ++i) std::memcpy(w + 2 * i, &pairs[codes[i]], sizeof(tables::Pair));
    scales.apply(row, w);
  });
}

}  // namespace assay

#include "formats/modelopt_int4.h"

#include "base/error.h"
#include "formats/shared/minifloat.h"
#include "formats/shared/reading.h"

namespace assay {

namespace {

constexpr float low_nibble(uint8_t byte) {
  return static_cast<float>((byte & 15) < 8 ? byte & 15 : (byte & 15) - 16);
}
constexpr auto kEvenRow = tables::of_bytes(low_nibble);
constexpr auto kOddRow = tables::of_bytes([](uint8_t byte) { return low_nibble(byte >> 4); });

}  // namespace

ModeloptInt4::ModeloptInt4(const Module& module) : Weight(module, kInfo.name) {
  const bool with_inputs = algorithm() == "W4A8_AWQ";
  if (!with_inputs && algorithm() != "W4A16_AWQ") refuse_algorithm();
  const StoredTensor& codes = module.expect("weight", {DType::U8}, {-1, -1});
  set_codes(codes, row_codes::int8());
  rows_ *= 2;
  const StoredTensor& scale = module.expect("weight_scale", {DType::F32, DType::BF16, DType::F16}, {rows_, -1});
  const int64_t groups = scale.shape[1];
  if (groups < 1 || cols_ % groups != 0) {
    module.refuse(fmt::format("{}: {} groups do not divide {} columns", scale.name, groups, cols_));
  }
  set_float_scales(scale, 1, cols_ / groups);
  ActivationQuant input;
  if (with_inputs) {
    global_ = &module.at("weight_scale_2");
    input = static_e4m3(module, module.at("input_scale"));
  }
  finish(std::move(input));
}

ScaleGrid::Rows ModeloptInt4::read_scales(int64_t begin, int64_t end) const {
  ScaleGrid::Rows scales = Weight::read_scales(begin, end);
  if (global_) multiply_scales(module_, *global_, scales);
  return scales;
}

void ModeloptInt4::decode(int64_t begin, int64_t end, float* out) const {
  if (begin == end) return;
  const ScaleGrid::Rows scales = read_scales(begin, end);
  const std::vector<float> column_scale = read_column_scale();
  for_rows(module_.checkpoint(), *codes_, cols_, begin / 2, (end + 1) / 2, [&](int64_t pair, const uint8_t* bytes) {
    for (int64_t row = std::max(2 * pair, begin); row < std::min(2 * pair + 2, end); ++row) {
      float* w = out + (row - begin) * cols_;
      const std::array<float, 256>& values = row % 2 == 0 ? kEvenRow : kOddRow;
      for (int64_t c = 0; c < cols_; ++c) w[c] = values[bytes[c]];
      scales.apply(row, w);
      if (column_scale.empty()) continue;
      for (int64_t c = 0; c < cols_; ++c) w[c] *= column_scale[c];
    }
  });
}

}  // namespace assay

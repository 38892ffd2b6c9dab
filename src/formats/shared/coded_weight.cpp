#include "formats/shared/coded_weight.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/shared/minifloat.h"
#include "formats/shared/reading.h"
#include "formats/shared/unpack.h"

namespace assay {

namespace {

constexpr auto kE5m2 = tables::of_bytes(float_of_e5m2);
constexpr auto kE3m2 = tables::of_bytes([](uint8_t code) { return minifloat<3, 2>(code); });
constexpr auto kInt8 = tables::of_bytes([](uint8_t code) { return static_cast<float>(static_cast<int8_t>(code)); });

constexpr float nibble(int code) {
  return static_cast<float>(code < 8 ? code : code - 16);
}
constexpr auto kInt4Pairs = [] {
  std::array<tables::Pair, 256> pairs{};
  for (int byte = 0; byte < 256; ++byte) pairs[byte] = {nibble(byte & 15), nibble(byte >> 4)};
  return pairs;
}();

template <const std::array<float, 256>& kTable>
void unpack_bytes(const uint8_t* row, int64_t, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = kTable[row[i]];
}

/// `count` may be odd: the last high nibble is then no code.
template <const std::array<tables::Pair, 256>& kTable>
void unpack_nibbles(const uint8_t* row, int64_t, int64_t count, float* out) {
  for (int64_t i = 0; i < count / 2; ++i) std::memcpy(out + 2 * i, &kTable[row[i]], sizeof(tables::Pair));
  if (count % 2 != 0) out[count - 1] = kTable[row[count / 2]].low;
}

}  // namespace

namespace row_codes {
RowCodes e4m3() {
  return {8, unpack_bytes<tables::kE4m3>};
}
RowCodes e5m2() {
  return {8, unpack_bytes<kE5m2>};
}
RowCodes e2m1() {
  return {4, unpack_nibbles<tables::kE2m1Pairs>};
}
RowCodes e2m3_bytes() {
  return {8, unpack_bytes<tables::kE2m3>};
}
RowCodes e3m2_bytes() {
  return {8, unpack_bytes<kE3m2>};
}
RowCodes int8() {
  return {8, unpack_bytes<kInt8>};
}
RowCodes int4() {
  return {4, unpack_nibbles<kInt4Pairs>};
}
}  // namespace row_codes

void CodedWeight::set_codes(const StoredTensor& tensor, RowCodes codes) {
  codes_ = &tensor;
  row_codes_ = codes;
  if (tensor.shape.size() < 2 || tensor.elements() == 0) {
    module_.refuse(fmt::format("{}: expected codes [out, in], found {}", tensor.name, tensor.describe()));
  }
  const int64_t width = tensor.shape.back();
  rows_ = tensor.elements() / width;
  cols_ = width * bits_of(tensor.dtype) / codes.bits;
}

void CodedWeight::set_scales(const StoredTensor& scale, DType as, int64_t row_block, int64_t col_block) {
  scales_ = ScaleGrid(module_, scale, as, rows_, cols_, std::min(row_block, rows_), std::min(col_block, cols_));
}

void CodedWeight::set_float_scales(const StoredTensor& scale, int64_t row_block, int64_t col_block) {
  if (!is_float(scale.dtype)) {
    module_.refuse(fmt::format("{}: expected floats, found {}", scale.name, scale.describe()));
  }
  set_scales(scale, scale.dtype, row_block, col_block);
}

void CodedWeight::set_column_scale(const StoredTensor& scale) {
  if (scale.elements() != cols_ || !is_float(scale.dtype)) {
    module_.refuse(
        fmt::format("{}: expected floats [{}], one for each column, found {}", scale.name, cols_, scale.describe()));
  }
  column_scale_ = &scale;
}

std::vector<float> CodedWeight::read_column_scale() const {
  if (!column_scale_) return {};
  std::vector<float> values = read_floats(module_.checkpoint(), *column_scale_);
  require_finite(module_, *column_scale_, values);
  const auto zero = std::find(values.begin(), values.end(), 0.0f);
  if (zero != values.end()) {
    fail("{}: {}[{}] is 0; a column scale must not be", name(), column_scale_->name, zero - values.begin());
  }
  return values;
}

ScaleGrid::Rows CodedWeight::read_scales(int64_t begin, int64_t end) const {
  return scales_.read(module_, begin, end);
}

void CodedWeight::apply_scales(const ScaleGrid::Rows& scales, int64_t row, float* w) const {
  scales.apply(row, w);
}

void CodedWeight::add_offsets(const ScaleGrid::Rows& scales, int64_t row, float* w, float lowest) {
  scales.for_runs(row, [&](int64_t first, int64_t count, float scale, float offset) {
    for (int64_t c = first; c < first + count; ++c) w[c] = (w[c] - lowest) * scale + offset;
  });
}

void CodedWeight::decode(int64_t begin, int64_t end, float* out) const {
  if (begin == end) return;
  const ScaleGrid::Rows scales = read_scales(begin, end);
  const std::vector<float> column_scale = read_column_scale();
  const int64_t row_bytes = row_codes_.row_bytes(cols_);
  for_rows(module_.checkpoint(), *codes_, row_bytes, begin, end, [&](int64_t row, const uint8_t* codes) {
    float* w = out + (row - begin) * cols_;
    row_codes_.unpack(codes, row_bytes, cols_, w);
    apply_scales(scales, row, w);
    if (column_scale.empty()) return;
    for (int64_t c = 0; c < cols_; ++c) w[c] *= column_scale[c];
  });
}

void multiply_scales(const Module& module, const StoredTensor& global, ScaleGrid::Rows& scales) {
  const float factor = read_scalar(module, global);
  for (float& scale : scales.scales) {
    scale *= factor;
    if (!std::isfinite(scale))
      fail("{}: a scale times {} is {}, {} being {}", module.name(), global.name, scale, global.name, factor);
  }
}

ActivationQuant static_e4m3(const Module& module, const StoredTensor& scale) {
  ActivationQuant quant;
  quant.element = ActivationQuant::Element::e4m3;
  quant.scope = ActivationQuant::Scope::tensor;
  quant.scale = {read_scalar(module, scale)};
  if (!(quant.scale[0] > 0)) {
    fail("{}: {} is {}; expected a positive scale", module.name(), scale.name, quant.scale[0]);
  }
  return quant;
}

}  // namespace assay

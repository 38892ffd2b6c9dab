#include "formats/marlin.h"

#include <algorithm>

#include "base/error.h"
#include "formats/shared/bits.h"
#include "formats/shared/marlin_tiles.h"
#include "formats/shared/parts.h"
#include "formats/shared/reading.h"

namespace assay {

using namespace marlin;

namespace {

constexpr NamedRole kRoles[] = {
    {"B", Role::codes}, {"qweight", Role::codes}, {"s", Role::scales}, {"scales", Role::scales}, {"bias", Role::bias}};

int64_t four_bits(const Module& module, const std::string& where, int64_t bits, int64_t group_size) {
  if (bits != 4) module.refuse(fmt::format("{} says {} bits; Marlin's layout has 4", where, bits));
  return group_size;
}

}  // namespace

Marlin::Marlin(const Module& module, const char* codes, const char* scales, int64_t group_size) : StoredWeight(module) {
  codes_ = &module.expect(codes, {DType::I32}, {-1, -1});
  cols_ = codes_->shape[0] * 16;
  rows_ = codes_->shape[1] / 2;
  if (rows_ < 1 || cols_ < 1 || codes_->shape[1] % (2 * kBlock) != 0) {
    module.refuse(fmt::format("{}: expected [in / 16, 2 * out] with out a multiple of {}, found {}", codes_->name,
                              kBlock, codes_->describe()));
  }
  group_size_ = group_size == -1 ? cols_ : std::min(group_size, cols_);
  if (group_size_ % 16 != 0) {
    module.refuse(fmt::format("groups of {}; expected a multiple of 16, the columns of a tile", group_size_));
  }
  groups_ = ceil_div(cols_, group_size_);
  scales_ = &module.expect(scales, {DType::F16, DType::BF16, DType::F32}, {groups_, rows_});
  parts_ = parts_of(module, kRoles);
}

int64_t Marlin::row_alignment() const {
  return kBlock;
}

void Marlin::decode(int64_t begin, int64_t end, float* out) const {
  for (int64_t number = begin / kBlock; number * kBlock < end; ++number) {
    const int64_t first = std::max(begin, number * kBlock), last = std::min(end, (number + 1) * kBlock);
    if (first < last) decode_block(number, first, last, out + (first - begin) * cols_);
  }
}

void Marlin::decode_block(int64_t number, int64_t begin, int64_t end, float* out) const {
  const ColumnWords words = read_columns(module_.checkpoint(), *codes_, number * 2 * kBlock, (number + 1) * 2 * kBlock);
  const std::vector<float> scales = read_scales(number);
  for (int64_t row = begin; row < end; ++row, out += cols_) {
    expand(words, row % kBlock, scales.data() + row % kBlock, out);
  }
}

std::vector<float> Marlin::read_scales(int64_t number) const {
  std::vector<float> scales(groups_ * kBlock);
  for (int64_t group = 0; group < groups_; ++group) {
    const int64_t first = group * rows_ + number * kBlock;
    const auto stored = read_values(module_.checkpoint(), *scales_, scales_->dtype, first, kBlock);
    require_finite(module_, *scales_, stored, first, rows_);
    for (int64_t i = 0; i < kBlock; ++i) {
      scales[group * kBlock + (groups_ > 1 ? output_of_group_scale(i) : output_of_row_scale(i))] = stored[i];
    }
  }
  return scales;
}

/// `scales`: of this output in the first group; the next one's are 64 further on.
void Marlin::expand(const ColumnWords& words, int64_t row, const float* scales, float* w) const {
  const int64_t half = row % 16 / 8;
  float values[16];
  for (int64_t tile = 0; tile < cols_ / 16; ++tile, w += 16) {
    if (16 * tile % group_size_ == 0) {
      for (uint32_t code = 0; code < 16; ++code) {
        values[code] = signed_field(code, 4) * scales[16 * tile / group_size_ * kBlock];
      }
    }
    for (int a = 0; a < 4; ++a) {
      const uint32_t word = words.row(word_of(row, a))[tile];
      const auto value = [&](int64_t e) { return values[word >> 4 * kNibble[4 * half + e] & 15]; };
      w[2 * a] = value(0);
      w[2 * a + 1] = value(1);
      w[2 * a + 8] = value(2);
      w[2 * a + 9] = value(3);
    }
  }
}

GptqMarlin::GptqMarlin(const Module& module)
    : Marlin(module, "B", "s",
             four_bits(module, module.config().where(), module.config().parsed<gptq::Config>().bits(),
                       module.config().parsed<gptq::Config>().group_size())) {}

AwqMarlin::AwqMarlin(const Module& module)
    : Marlin(module, "qweight", "scales",
             four_bits(module, module.config().where(), module.config().parsed<awq::Config>().bits,
                       module.config().parsed<awq::Config>().group_size)) {}

}  // namespace assay

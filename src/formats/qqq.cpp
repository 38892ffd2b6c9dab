#include "formats/qqq.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/shared/bits.h"
#include "formats/shared/marlin_tiles.h"
#include "formats/shared/minifloat.h"
#include "formats/shared/parts.h"
#include "formats/shared/quantize.h"
#include "formats/shared/reading.h"

namespace assay {

namespace {

constexpr NamedRole kRoles[] = {
    {"B", Role::codes}, {"s_channel", Role::scales}, {"s_group", Role::scales}, {"bias", Role::bias}};

struct Config {
  int64_t bits = 4;
  int64_t group_size = -1;

  explicit Config(const QuantConfig& config) {
    const JsonObject json(config.json(), config.where());
    bits = json.integer_or("bits", json.integer_or("wbits", bits));
    if (bits != 4) json.refuse("bits", "4, the only width of QQQ");
    group_size = json.integer_or("group_size", group_size);
    if (group_size < -1 || group_size == 0) json.refuse("group_size", "a positive number, or -1 for whole rows");
  }
};

/// marlin::kNibble of codes without groups.
constexpr int kWhole[] = {1, 3, 5, 7, 0, 2, 4, 6};

}  // namespace

Qqq::Qqq(const Module& module) : StoredWeight(module) {
  const auto& config = module.config().parsed<Config>();
  codes_ = &module.expect("B", {DType::I32}, {-1, -1});
  cols_ = codes_->shape[0] * 16;
  rows_ = codes_->shape[1] / 2;
  if (rows_ < 1 || cols_ < 1 || codes_->shape[1] % (2 * kBlock) != 0) {
    module.refuse(fmt::format("{}: expected [in / 16, 2 * out] with out a multiple of {}, found {}", codes_->name,
                              kBlock, codes_->describe()));
  }
  channel_ = &module.expect("s_channel", {DType::F32}, {1, rows_});
  if (config.group_size != -1 && config.group_size < cols_) {
    group_size_ = config.group_size;
    if (group_size_ % 16 != 0) {
      module.refuse(
          fmt::format("{} says groups of {}; expected a multiple of 16", module.config().where(), group_size_));
    }
    group_ = &module.expect("s_group", {DType::F16}, {ceil_div(cols_, group_size_), rows_});
  } else if (module.has("s_group")) {
    module.refuse(fmt::format("{} says whole rows, but s_group is stored", module.config().where()));
  }
  parts_ = parts_of(module, kRoles);
  if (module.kind() == Module::Kind::embedding) return;
  input_quant_.element = ActivationQuant::Element::integer;
  input_quant_.scope = ActivationQuant::Scope::token;
  input_quant_.top = 127;
}

void Qqq::decode(int64_t begin, int64_t end, float* out) const {
  for (int64_t number = begin / kBlock; number * kBlock < end; ++number) {
    const int64_t first = std::max(begin, number * kBlock), last = std::min(end, (number + 1) * kBlock);
    if (first < last) decode_block(number, first, last, out + (first - begin) * cols_);
  }
}

void Qqq::decode_block(int64_t number, int64_t begin, int64_t end, float* out) const {
  const ColumnWords words = read_columns(module_.checkpoint(), *codes_, number * 2 * kBlock, (number + 1) * 2 * kBlock);
  const std::array<float, kBlock> channel = channel_scales(number);
  const std::vector<float> groups = group_ ? group_scales(number) : std::vector<float>();
  for (int64_t row = begin; row < end; ++row, out += cols_) {
    const int64_t r = row % kBlock;
    if (!group_) {
      expand(words, r, 0, cols_ / 16, code_values(nullptr, channel[r]), out);
      continue;
    }
    for (int64_t first = 0, group = 0; first < cols_; first += group_size_, ++group) {
      const int64_t last = std::min(first + group_size_, cols_);
      expand(words, r, first / 16, last / 16, code_values(&groups[group * kBlock + r], channel[r]), out + first);
    }
  }
}

/// What each of the 16 codes means; `group`: the scale of a group, null with whole rows.
std::array<float, 16> Qqq::code_values(const float* group, float channel) {
  std::array<float, 16> values;
  for (uint32_t code = 0; code < 16; ++code) {
    if (group) {
      // Clamped first, since only small numbers can be rounded; the limits are integers.
      values[code] = round_to_integer(clamp_code(signed_field(code, 4) * *group, {-128, 127})) * channel;
    } else {
      // Two's complement is the offset by 8 of the code with its top bit flipped.
      values[code] = 16 * signed_field(code ^ 8, 4) * channel;
    }
  }
  return values;
}

/// Columns [16 begin, 16 end) of output `row` of 64.
void Qqq::expand(const ColumnWords& words, int64_t row, int64_t begin, int64_t end, const std::array<float, 16>& values,
                 float* w) const {
  const int* nibble = group_ ? marlin::kNibble : kWhole;
  const int64_t half = row % 16 / 8;
  int shift[4];
  const uint32_t* word[4];
  for (int k = 0; k < 4; ++k) {
    shift[k] = 4 * nibble[4 * half + k];
    word[k] = words.row(marlin::word_of(row, k));
  }
  for (int64_t tile = begin; tile < end; ++tile) {
    for (int k = 0; k < 4; ++k, w += 4) {
      for (int e = 0; e < 4; ++e) w[e] = values[word[k][tile] >> shift[e] & 15];
    }
  }
}

std::array<float, Qqq::kBlock> Qqq::channel_scales(int64_t number) const {
  const auto stored = read_values(module_.checkpoint(), *channel_, DType::F32, number * kBlock, kBlock);
  require_finite(module_, *channel_, stored, number * kBlock, rows_);
  std::array<float, kBlock> scales;
  for (int i = 0; i < kBlock; ++i) scales[marlin::output_of_row_scale(i)] = stored[i];
  return scales;
}

/// [groups, 64]
std::vector<float> Qqq::group_scales(int64_t number) const {
  const int64_t groups = group_->shape[0];
  std::vector<float> scales(groups * kBlock);
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t first = group * rows_ + number * kBlock;
    const auto stored = read_values(module_.checkpoint(), *group_, DType::F16, first, kBlock);
    require_finite(module_, *group_, stored, first, rows_);
    for (int i = 0; i < kBlock; ++i) scales[group * kBlock + marlin::output_of_group_scale(i)] = stored[i];
  }
  return scales;
}

}  // namespace assay

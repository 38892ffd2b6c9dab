#include "formats/marlin24.h"

#include <algorithm>
#include <span>

#include "base/error.h"
#include "formats/shared/bits.h"
#include "formats/shared/reading.h"

namespace assay {

using namespace marlin24;

Marlin24::Marlin24(const Module& module) : Weight(module) {
  codes_ = &module.expect("weight_packed", {DType::I32}, {-1, -1});
  meta_ = &module.expect("meta", {DType::I16}, {codes_->shape[0], -1});
  require_config(false, 0);
  const int64_t rows = meta_->shape[1] / 2, cols = codes_->shape[0] * 32;
  if (rows % kBlock != 0 || meta_->shape[1] % 2 != 0) {
    module.refuse(fmt::format("{}: expected [in / 32, 2 * out] with out a multiple of {}, found {}", meta_->name,
                              kBlock, meta_->describe()));
  }
  bits_ = args() ? args()->bits : codes_->shape[1] == 2 * rows ? 4 : 8;
  if ((bits_ != 4 && bits_ != 8) || codes_->shape[1] != rows * bits_ / 2) {
    module.refuse(fmt::format("{}: expected [{}, {}] for {}-bit codes (4 or 8), found {}", codes_->name, cols / 32,
                              rows * bits_ / 2, bits_, codes_->describe()));
  }
  init(rows, cols, kInfo.name);
  scales_ = &module.expect("scale_packed", {DType::F16}, {-1, rows_});
  const int64_t groups = scales_->shape[0];
  group_size_ = args() && args()->group_size ? args()->group_size : groups > 0 ? cols_ / groups : 0;
  if (groups < 1 || group_size_ % 16 != 0 || cols_ % group_size_ != 0 || cols_ / group_size_ != groups) {
    module.refuse(fmt::format("{}: groups of {} columns do not make {} columns with {}", scales_->name, group_size_,
                              cols_, scales_->describe()));
  }
}

/// 64 rows of the matrix.
struct Marlin24::Block {
  std::vector<int8_t> codes;   // C: [cols / 32, 64, 16], less 2^(b-1); tile by tile, as it is stored
  std::vector<uint16_t> meta;  // [cols / 32, 128]
  std::vector<float> scales;   // [groups, 64], in the order of rows
};

namespace {

template <int kBits>
std::vector<Place> places() {
  std::vector<Place> all;
  for (int word = 0; word < 32 * kBits; ++word) {
    for (int field = 0; field < 32 / kBits; ++field) all.push_back(place_of<kBits>(word, field));
  }
  return all;
}

/// `count` elements of each row of a matrix from `first` on, one row after the other.
template <class T>
std::vector<T> read_columns(const Checkpoint& checkpoint, const StoredTensor& matrix, int64_t first, int64_t count) {
  std::vector<T> values(matrix.shape[0] * count);
  for (int64_t row = 0; row < matrix.shape[0]; ++row) {
    checkpoint.read(matrix, (row * matrix.shape[1] + first) * sizeof(T),
                    std::as_writable_bytes(std::span(values).subspan(row * count, count)));
  }
  return values;
}

}  // namespace

Marlin24::Block Marlin24::read_block(int64_t number) const {
  const Checkpoint& checkpoint = module_.checkpoint();
  return {read_codes(number), read_columns<uint16_t>(checkpoint, *meta_, number * 128, 128), read_scales(number)};
}

std::vector<int8_t> Marlin24::read_codes(int64_t number) const {
  static const std::vector<Place> kPlaces4 = places<4>(), kPlaces8 = places<8>();
  const std::vector<Place>& order = bits_ == 4 ? kPlaces4 : kPlaces8;
  const int64_t words = 32 * bits_, per_word = 32 / bits_;
  const auto packed = read_columns<uint32_t>(module_.checkpoint(), *codes_, number * words, words);
  std::vector<int8_t> codes(kBlock * cols_ / 2);
  const int offset = 1 << (bits_ - 1);
  for (int64_t tile = 0; tile < cols_ / 32; ++tile) {
    const Place* place = order.data();
    int8_t* out = codes.data() + tile * kBlock * 16;
    for (int64_t i = 0; i < words; ++i) {
      uint32_t word = packed[tile * words + i];
      for (int64_t field = 0; field < per_word; ++field, ++place, word >>= bits_) {
        const auto code = static_cast<int>(word & ((1u << bits_) - 1));
        out[place->row * 16 + place->col] = static_cast<int8_t>(code - offset);
      }
    }
  }
  return codes;
}

std::vector<float> Marlin24::read_scales(int64_t number) const {
  constexpr int kOrder[] = {0, 4, 1, 5, 2, 6, 3, 7};
  const bool permuted = group_size_ < cols_ / 2;
  std::vector<float> scales(scales_->shape[0] * kBlock);
  for (int64_t group = 0; group < scales_->shape[0]; ++group) {
    const int64_t first = group * rows_ + number * kBlock;
    const auto stored = read_values(module_.checkpoint(), *scales_, DType::F16, first, kBlock);
    require_finite(module_, *scales_, stored, first, rows_);
    for (int64_t i = 0; i < kBlock; ++i) {
      scales[group * kBlock + (permuted ? i / 8 * 8 + kOrder[i % 8] : i)] = stored[i];
    }
  }
  return scales;
}

void Marlin24::decode(int64_t begin, int64_t end, float* out) const {
  for (int64_t number = begin / kBlock; number * kBlock < end; ++number) {
    const Block block = read_block(number);
    const int64_t first = number * kBlock;
    for (int64_t row = std::max(first, begin); row < std::min(first + kBlock, end); ++row) {
      expand(block, row, out + (row - begin) * cols_);
    }
  }
}

void Marlin24::expand(const Block& block, int64_t row, float* w) const {
  const int r = static_cast<int>(row % kBlock);
  for (int64_t sixteen = 0; sixteen < cols_ / 16; ++sixteen) {
    const int8_t* code = block.codes.data() + (sixteen / 2 * kBlock + r) * 16 + sixteen % 2 * 8;
    const unsigned word = block.meta[meta_index(r, sixteen)];
    const float scale = block.scales[16 * sixteen / group_size_ * kBlock + r];
    for (int four = 0; four < 4; ++four, code += 2, w += 4) {
      const unsigned place = word >> 4 * four & 3, next = word >> (4 * four + 2) & 3;
      if (place >= next) {
        fail("{}: {}: row {}, columns {} to {}: the kept places are {} and {}; expected two in ascending order", name(),
             meta_->name, row, 16 * sixteen + 4 * four, 16 * sixteen + 4 * four + 3, place, next);
      }
      std::fill_n(w, 4, 0.0f);
      w[place] = static_cast<float>(code[0]) * scale;
      w[next] = static_cast<float>(code[1]) * scale;
    }
  }
}

}  // namespace assay

#include "formats/marlin24.h"

#include <algorithm>
#include <array>

#include "base/error.h"
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
  describe(rows, cols, kInfo.name);
  scales_ = &module.expect("scale_packed", {DType::F16}, {-1, rows_});
  const int64_t groups = scales_->shape[0];
  group_size_ = args() && args()->group_size ? args()->group_size : groups > 0 ? cols_ / groups : 0;
  if (groups < 1 || group_size_ * groups != cols_) {
    module.refuse(fmt::format("{}: groups of {} columns do not make {} columns with {}", scales_->name, group_size_,
                              cols_, scales_->describe()));
  }
}

/// 64 rows of the matrix.
struct Marlin24::Block {
  std::vector<int8_t> codes;   // C: [64, cols / 2], less 2^(b-1)
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

/// The first column of four that each pair of bits of a nibble may name must come first.
bool nibble_is_valid(unsigned nibble) {
  return (nibble & 3) < nibble >> 2;
}

}  // namespace

Marlin24::Block Marlin24::read_block(int64_t first_row) const {
  static const std::vector<Place> kPlaces4 = places<4>(), kPlaces8 = places<8>();
  const Place* place = (bits_ == 4 ? kPlaces4 : kPlaces8).data();
  const int64_t tiles = cols_ / 32, words = 32 * bits_, per_word = 32 / bits_, number = first_row / kBlock;
  const int64_t groups = scales_->shape[0];
  const Checkpoint& checkpoint = module_.checkpoint();

  Block block{std::vector<int8_t>(kBlock * cols_ / 2), {}, std::vector<float>(groups * kBlock)};
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const auto packed = read_elements<uint32_t>(checkpoint, *codes_, tile * codes_->shape[1] + number * words, words);
    for (int64_t i = 0; i < words * per_word; ++i) {
      const int code = static_cast<int>(packed[i / per_word] >> (i % per_word * bits_) & ((1u << bits_) - 1));
      block.codes[place[i].row * (cols_ / 2) + tile * 16 + place[i].col] =
          static_cast<int8_t>(code - (1 << (bits_ - 1)));
    }
    const auto meta = read_elements<uint16_t>(checkpoint, *meta_, tile * meta_->shape[1] + number * 128, 128);
    block.meta.insert(block.meta.end(), meta.begin(), meta.end());
  }
  constexpr int kScaleOrder[] = {0, 4, 1, 5, 2, 6, 3, 7};
  const bool permuted = group_size_ < cols_ / 2;
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t first = group * rows_ + first_row;
    const auto stored = read_values(checkpoint, *scales_, DType::F16, first, kBlock);
    require_finite(module_, *scales_, stored, first, rows_);
    for (int64_t i = 0; i < kBlock; ++i) {
      block.scales[group * kBlock + (permuted ? i / 8 * 8 + kScaleOrder[i % 8] : i)] = stored[i];
    }
  }
  return block;
}

void Marlin24::decode(int64_t begin, int64_t end, float* out) const {
  std::fill_n(out, (end - begin) * cols_, 0.0f);
  for (int64_t first = begin / kBlock * kBlock; first < end; first += kBlock) {
    const Block block = read_block(first);
    for (int64_t row = std::max(first, begin); row < std::min(first + kBlock, end); ++row) {
      float* w = out + (row - begin) * cols_;
      const int64_t r = row - first;
      const int8_t* codes = block.codes.data() + r * (cols_ / 2);
      for (int64_t four = 0; four < cols_ / 4; ++four, codes += 2) {
        const unsigned word = block.meta[meta_index(static_cast<int>(r), four / 4)];
        const unsigned nibble = word >> four % 4 * 4 & 15;
        if (!nibble_is_valid(nibble)) {
          fail("{}: {}: row {}, columns {} to {}: {:#x} does not name two columns in order", name(), meta_->name, row,
               4 * four, 4 * four + 3, nibble);
        }
        const float scale = block.scales[4 * four / group_size_ * kBlock + r];
        w[4 * four + (nibble & 3)] = static_cast<float>(codes[0]) * scale;
        w[4 * four + (nibble >> 2)] = static_cast<float>(codes[1]) * scale;
      }
    }
  }
}

}  // namespace assay

#include "formats/pack_quantized.h"

#include <algorithm>

#include "base/error.h"
#include "formats/shared/reading.h"

namespace assay {

namespace {

using Unpack = void (*)(const uint32_t* words, int64_t length, int64_t count, float* out);

constexpr Unpack kUnpackStream[] = {nullptr,          unpack_stream<1>, unpack_stream<2>,
                                    unpack_stream<3>, unpack_stream<4>, unpack_stream<5>,
                                    unpack_stream<6>, unpack_stream<7>, unpack_stream<8>};
constexpr Unpack kUnpackWords[] = {nullptr,         unpack_words<1>, unpack_words<2>, unpack_words<3>, unpack_words<4>,
                                   unpack_words<5>, unpack_words<6>, unpack_words<7>, unpack_words<8>};

}  // namespace

PackQuantized::PackQuantized(const Module& module) : Weight(module) {
  codes_ = &module.expect("weight_packed", {DType::I32}, {-1, -1});
  if (!args()) module.refuse("no group of the config covers this module: the number of bits is unknown");
  require_config(false, 0);
  if (args()->bits > 8) module.refuse(fmt::format("{}: packed codes have at most 8 bits", args()->describe()));
  bits_ = args()->bits;

  // The one tensor whose bytes are needed here: the width alone does not say how many columns there are.
  const auto shape = read_elements<int64_t>(module.checkpoint(), module.expect("weight_shape", {DType::I64}, {2}));
  const int64_t width = codes_->shape[1];
  if (shape[0] != codes_->shape[0] || shape[1] < 1 || shape[1] > 32 * width / bits_) {
    module.refuse(fmt::format("weight_shape says [{}, {}], which {} cannot hold in {} bits", shape[0], shape[1],
                              codes_->describe(), bits_));
  }
  find_packing(shape[1]);
  init(shape[0], shape[1], kInfo.name);
  scales_ = float_scale_grid();
  if (module.has("weight_g_idx")) groups_ = &module.expect("weight_g_idx", {DType::I32}, {cols_});
  find_zero_points();
}

void PackQuantized::find_packing(int64_t cols) {
  const int64_t width = codes_->shape[1];
  const int64_t stream = ceil_div(cols * bits_, 32), words = ceil_div(cols, 32 / bits_);
  if (width != stream && width != words) {
    module_.refuse(fmt::format("{}: {} columns of {} bits take {} words as a stream or {} as whole fields, found {}",
                               codes_->name, cols, bits_, stream, words, codes_->describe()));
  }
  stream_ = width == stream;
}

void PackQuantized::find_zero_points() {
  const StoredTensor* zeros = module_.find("weight_zero_point");
  if (!zeros || zeros->dtype == DType::I8) {
    zeros_ = byte_zero_points(scales_);
    return;
  }
  const int64_t rows = scales_.grid_rows();
  const int64_t height = stream_ ? ceil_div(rows * bits_, 32) : ceil_div(rows, 32 / bits_);
  zeros_ = &module_.expect("weight_zero_point", {DType::I32}, {height, scales_.grid_cols()});
}

void PackQuantized::read_packed_zero_points(ScaleGrid::Rows& scales) const {
  // 32 fields of a stream are whole words.
  const int64_t period = stream_ ? 32 : 32 / bits_, words_a_period = stream_ ? bits_ : 1;
  const int64_t base = scales.first_grid_row / period * period;
  const int64_t end = scales.first_grid_row + scales.grid_rows, width = scales.grid_cols;
  const int64_t first_word = base / period * words_a_period;
  const int64_t last_word = stream_ ? ceil_div(end * bits_, 32) : ceil_div(end, period);
  const auto words =
      read_elements<uint32_t>(module_.checkpoint(), *zeros_, first_word * width, (last_word - first_word) * width);
  const auto field = stream_ ? stream_field : word_field;
  scales.zeros.resize(scales.grid_rows * width);
  for (int64_t row = 0; row < scales.grid_rows; ++row) {
    const int64_t index = scales.first_grid_row + row - base;
    for (int64_t col = 0; col < width; ++col) {
      scales.zeros[row * width + col] = signed_field(field(words.data() + col, index, bits_, width), bits_);
    }
  }
}

/// Empty when the columns keep their natural groups: the tool leaves -1 everywhere then.
std::vector<int32_t> PackQuantized::read_column_groups() const {
  auto groups = read_elements<int32_t>(module_.checkpoint(), *groups_);
  if (std::all_of(groups.begin(), groups.end(), [](int32_t g) { return g == -1; })) return {};
  for (size_t i = 0; i < groups.size(); ++i) {
    if (groups[i] < 0 || groups[i] >= scales_.grid_cols()) {
      fail("{}: {}[{}] is {}; expected a group from 0 to {}", name(), groups_->name, i, groups[i],
           scales_.grid_cols() - 1);
    }
  }
  return groups;
}

void PackQuantized::decode(int64_t begin, int64_t end, float* out) const {
  ScaleGrid::Rows scales = scales_.read(module_, begin, end);
  if (groups_) scales.column_groups = read_column_groups();
  if (zeros_ && zeros_->dtype == DType::I8) {
    read_byte_zero_points(*zeros_, scales);
  } else if (zeros_) {
    read_packed_zero_points(scales);
  }
  const Unpack unpack = (stream_ ? kUnpackStream : kUnpackWords)[bits_];
  const int64_t width = codes_->shape[1];
  for_rows(module_.checkpoint(), *codes_, width * 4, begin, end, [&](int64_t row, const uint8_t* codes) {
    float* w = out + (row - begin) * cols_;
    unpack(reinterpret_cast<const uint32_t*>(codes), width, cols_, w);
    scales.apply(row, w);
  });
}

}  // namespace assay

#include "formats/torchao_int4_tiles.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/shared/bits.h"
#include "formats/shared/reading.h"

namespace assay {

TorchaoInt4Tiles::TorchaoInt4Tiles(const Module& module) : Weight(module) {
  codes_ = &module.expect("_weight_qdata", {DType::I32}, {-1, -1, 32, -1});
  words_ = codes_->shape[3];
  if (words_ != 1 && words_ != 2 && words_ != 4) {
    module.refuse(fmt::format("{}: expected [.., .., 32, 1, 2 or 4], found {}", codes_->name, codes_->describe()));
  }
  padded_cols_ = codes_->shape[1] * words_ * 32;
  const Json* shape = data().find("shape");
  const bool pair = shape && shape->is_array() && shape->size() == 2 && (*shape)[0].is_number_integer() &&
                    (*shape)[1].is_number_integer() && (*shape)[0] > 0 && (*shape)[1] > 0;
  if (!pair) data().refuse("shape", "two numbers from 1 up: rows, columns");
  rows_ = (*shape)[0];
  cols_ = (*shape)[1];
  const int64_t tiles = codes_->shape[0];
  if (cols_ > padded_cols_ || tiles < ceil_div(rows_, kTileRows) || tiles > ceil_div(rows_, 2 * kTileRows) * 2) {
    module.refuse(fmt::format("shape says [{}, {}], but {} is {}, tiles of 8 rows that cover {} columns", rows_, cols_,
                              codes_->name, codes_->describe(), padded_cols_));
  }
  const auto [block_rows, block_cols] = block_size();
  if (block_rows != 1 || padded_cols_ % block_cols != 0) {
    module.refuse(fmt::format("block_size [{}, {}]: expected [1, g], g dividing {} columns", block_rows, block_cols,
                              padded_cols_));
  }
  group_size_ = block_cols;
  scales_and_zeros_ = &module.expect("_weight_scale_and_zero", {DType::BF16, DType::F16, DType::F32},
                                     {padded_cols_ / group_size_, tiles * kTileRows, 2});
  finish();
}

ScaleGrid::Rows TorchaoInt4Tiles::read_scales(int64_t begin, int64_t end) const {
  const int64_t groups = ceil_div(cols_, group_size_), rows = end - begin, height = scales_and_zeros_->shape[1];
  std::vector<float> scales(static_cast<size_t>(rows * groups)), zeros(scales.size());
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t first = (group * height + begin) * 2;
    const std::vector<float> pairs =
        read_values(module_.checkpoint(), *scales_and_zeros_, scales_and_zeros_->dtype, first, rows * 2);
    require_finite(module_, *scales_and_zeros_, pairs, first);
    for (int64_t row = 0; row < rows; ++row) {
      scales[row * groups + group] = pairs[2 * row];
      zeros[row * groups + group] = pairs[2 * row + 1];
    }
  }
  ScaleGrid::Rows result(begin, end, cols_, group_size_, std::move(scales));
  result.zeros = std::move(zeros);
  return result;
}

void TorchaoInt4Tiles::unpack(const uint32_t* tile, int64_t row, float* w) const {
  constexpr int kColumns[] = {0, 8, 16, 24, 1, 9, 17, 25};
  for (int64_t base = 0; base < cols_; base += 32) {
    const int64_t outer = base / 32 / words_, inner = base / 32 % words_;
    for (int64_t lane = 0; lane < 4; ++lane) {
      const uint32_t word = tile[(outer * 32 + row * 4 + lane) * words_ + inner];
      for (int nibble = 0; nibble < 8; ++nibble) {
        const int64_t col = base + 2 * lane + kColumns[nibble];
        if (col < cols_) w[col] = signed_field(word >> 4 * nibble & 15, 4);
      }
    }
  }
}

void TorchaoInt4Tiles::decode(int64_t begin, int64_t end, float* out) const {
  if (begin == end) return;
  const ScaleGrid::Rows scales = read_scales(begin, end);
  const std::vector<float> column_scale = read_column_scale();
  const int64_t tile_bytes = kTileRows * padded_cols_ / 2;
  const int64_t first = begin / kTileRows, last = (end - 1) / kTileRows + 1;
  for_rows(module_.checkpoint(), *codes_, tile_bytes, first, last, [&](int64_t tile, const uint8_t* bytes) {
    const auto* words = reinterpret_cast<const uint32_t*>(bytes);
    for (int64_t row = std::max(tile * kTileRows, begin); row < std::min((tile + 1) * kTileRows, end); ++row) {
      float* w = out + (row - begin) * cols_;
      unpack(words, row % kTileRows, w);
      add_offsets(scales, row, w);
      for (size_t c = 0; c < column_scale.size(); ++c) w[c] *= column_scale[c];
    }
  });
}

}  // namespace assay

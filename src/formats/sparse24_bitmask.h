#pragma once
#include "formats/compressed_tensors/sparse.h"
#include "formats/shared/bitmask.h"
#include "formats/shared/reading.h"

namespace assay {

// Two kept values of each four columns, as compressed-tensors before 0.15 stored them ("sparse-24-bitmask").
//
//   compressed  float | F8_E4M3 | I8  [out, in / 2]   kept values, left to right
//   bitmask     U8                    [out, in / 8]   0b....1010: columns 1 and 3 of four are kept
//   shape       I64                   [2] or [2, 1]
//   weight_scale                                      where the kept values are codes
//
//   W = kept value (times its scale), 0 elsewhere
//
// The config's own list of sparse modules is not to be trusted: the presence of the tensors decides.
class Sparse24Bitmask : public compressed_tensors::SparseWeight {
 public:
  static constexpr FormatInfo kInfo{"sparse-24-bitmask", "compressed-tensors", "8-16 + mask",
                                    "compressed [out, in/2], bitmask U8 [out, in/8], shape I64"};

  static bool matches(const Module& module) {
    return module.config().method() == compressed_tensors::kMethod && module.has("compressed") && module.has("bitmask");
  }

  explicit Sparse24Bitmask(const Module& module)
      : SparseWeight(module, kept_in(module).shape[0], kept_in(module).shape[1] * 2, kInfo.name) {
    const std::pair<int64_t, int64_t> shape = read_shape(module);
    if (shape != std::pair(rows_, cols_) || cols_ % 4 != 0) {
      module.refuse(fmt::format("shape says [{}, {}], but the kept values are half of [{}, {}]", shape.first,
                                shape.second, rows_, cols_));
    }
  }

  void decode(int64_t begin, int64_t end, float* out) const override {
    const auto scales = read_scales(begin, end);
    const std::vector<uint8_t> masks = read_masks(begin, end);
    const int64_t count = cols_ / 2;
    std::vector<float> kept(count);
    for_rows(module_.checkpoint(), *kept_, count * bits_of(kept_->dtype) / 8, begin, end,
             [&](int64_t row, const uint8_t* stored) {
               float* w = out + (row - begin) * cols_;
               convert_floats(kept_->dtype, stored, count, kept.data());
               expand(row, masks.data() + (row - begin) * mask_bytes(), kept.data(), w);
               if (scales) scales->apply(row, w);
             });
  }

 private:
  static const StoredTensor& kept_in(const Module& module) {
    const StoredTensor& kept = module.at("compressed");
    if (kept.shape.size() != 2) {
      module.refuse(fmt::format("{}: expected [out, in / 2], found {}", kept.name, kept.describe()));
    }
    return kept;
  }

  void expand(int64_t row, const uint8_t* mask, const float* kept, float* w) const {
    for (int64_t c = 0; c < cols_; c += 4, kept += 2) {
      const TwoOfFour place = kTwoOfFour[mask[c / 8] >> c % 8 & 15];
      if (place.first == place.second) {
        fail("{}: bitmask of row {} does not keep two of the four columns from {} on", name(), row, c);
      }
      std::fill_n(w + c, 4, 0.0f);
      w[c + place.first] = kept[0];
      w[c + place.second] = kept[1];
    }
    if (mask_population(mask, cols_) < 0) fail("{}: bitmask of row {} has bits beyond column {}", name(), row, cols_);
  }
};

}  // namespace assay

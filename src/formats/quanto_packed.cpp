#include "formats/quanto_packed.h"

#include "base/error.h"
#include "checkpoint/printable.h"
#include "formats/shared/bits.h"
#include "formats/shared/reading.h"

namespace assay {

QuantoPacked::QuantoPacked(const Module& module) : StoredWeight(module) {
  const std::string& type = module.config().parsed<quanto::Config>().weights_of(module);
  if (type != "qint4" && type != "qint2") {
    module.refuse(fmt::format("weights of type {} are not stored like this; qint4 and qint2 are", printable(type)));
  }
  format_ = fmt::format("{}/{}", quanto::kMethod, type);
  const int bits = type == "qint4" ? 4 : 2, chunks = 8 / bits;
  const StoredTensor& words = module.expect("weight._data._data", {DType::U8}, {-1, -1});
  const StoredTensor& scale = module.expect("weight._scale", {DType::F32, DType::BF16, DType::F16}, {-1, 1});
  const StoredTensor& shift =
      module.expect("weight._shift", {DType::F32, DType::BF16, DType::F16, DType::I8}, scale.shape);
  const int64_t group_rows = scale.shape[0];
  group_size_ = words.shape[1];
  if (group_rows < 1 || group_size_ < 1 || words.shape[0] != ceil_div(group_rows, chunks)) {
    module.refuse(fmt::format("{}: expected [{}, group size], rows for {} groups, found {}", words.name,
                              ceil_div(group_rows, chunks), group_rows, words.describe()));
  }
  if (!module.wanted()) module.refuse("the file does not say the shape of this weight, and no model does");
  rows_ = module.wanted()->rows;
  cols_ = module.wanted()->cols;
  if (cols_ % group_size_ != 0 || group_rows % (cols_ / group_size_) != 0 ||
      group_rows / (cols_ / group_size_) != rows_) {
    module.refuse(fmt::format("the model needs a weight of [{}, {}], but {} groups of {} are stored", rows_, cols_,
                              group_rows, group_size_));
  }
  codes_ = {.words = &words, .length = words.elements(), .bits = bits, .chunks = chunks};
  scales_ = ScaleGrid(module, scale, scale.dtype, group_rows, group_size_, 1, group_size_);
  shifts_ = ScaleGrid(module, shift, shift.dtype, group_rows, group_size_, 1, group_size_);
  is_offset_ = is_float(shift.dtype);
  parts_ = quanto::parts_of(module);
  const auto& config = module.config().parsed<quanto::Config>();
  if (module.kind() == Module::Kind::embedding) return;
  input_quant_ = declared_quant([&] { return config.activations_of(module, "input_scale"); });
  output_quant_ = declared_quant([&] { return config.activations_of(module, "output_scale"); });
}

void QuantoPacked::decode(int64_t begin, int64_t end, float* out) const {
  if (begin == end) return;
  codes_.read(module_.checkpoint(), begin * cols_, end * cols_, out);
  const int64_t first = begin * (cols_ / group_size_), last = end * (cols_ / group_size_);
  const std::vector<float> scales = scales_.read(module_, first, last).scales;
  const std::vector<float> shifts = shifts_.read(module_, first, last).scales;
  for (int64_t group = 0; group < last - first; ++group) {
    float* w = out + group * group_size_;
    const float scale = scales[group], shift = shifts[group];
    if (!is_offset_) {
      scale_codes(w, group_size_, scale, shift);
      continue;
    }
    for (int64_t i = 0; i < group_size_; ++i) w[i] = scale * w[i] - shift;
  }
}

}  // namespace assay

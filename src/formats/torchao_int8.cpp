#include "formats/torchao_int8.h"

#include "base/error.h"
#include "formats/shared/reading.h"

namespace assay {

TorchaoInt8::TorchaoInt8(const Module& module) : Weight(module) {
  set_codes(module.expect("_weight_qdata", {DType::I8}, {-1, -1}), row_codes::int8());
  const auto [rows, cols] = block_size();
  const StoredTensor& scale = part("scale");
  set_float_scales(scale, rows, cols);
  zeros_ = find_part("zero_point");
  const bool known = !zeros_ || zeros_->dtype == DType::I8 || is_float(zeros_->dtype);
  if (!known || (zeros_ && zeros_->elements() != scale.elements())) {
    module.refuse(
        fmt::format("{}: expected I8 or floats, one for each scale, found {}", zeros_->name, zeros_->describe()));
  }
  finish();
}

ScaleGrid::Rows TorchaoInt8::read_scales(int64_t begin, int64_t end) const {
  ScaleGrid::Rows scales = Weight::read_scales(begin, end);
  if (!zeros_) return scales;
  scales.zeros = read_values(module_.checkpoint(), *zeros_, zeros_->dtype, scales.first_grid_row * scales.grid_cols,
                             scales.grid_rows * scales.grid_cols);
  require_finite(module_, *zeros_, scales.zeros, scales.first_grid_row * scales.grid_cols, scales.grid_cols);
  return scales;
}

}  // namespace assay

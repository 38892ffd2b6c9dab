#include "formats/torchao_int4.h"

#include "base/error.h"
#include "formats/shared/columns.h"

namespace assay {

TorchaoInt4::TorchaoInt4(const Module& module) : Weight(module) {
  set_codes(module.expect("_weight_qdata", {DType::I8, DType::U8}, {-1, -1}), row_codes::int4());
  const auto [rows, cols] = block_size();
  if (rows != 1 || cols_ % cols != 0) {
    module.refuse(fmt::format("block_size [{}, {}]: expected [1, g], g dividing {} columns", rows, cols, cols_));
  }
  group_size_ = cols;
  const std::vector<int64_t> shape = {cols_ / group_size_, rows_};
  scale_ = &module.expect("_weight_scale", {DType::F32, DType::BF16, DType::F16}, shape);
  zeros_ = &module.expect("_weight_zero_point", {DType::F32, DType::BF16, DType::F16}, shape);
  finish();
}

ScaleGrid::Rows TorchaoInt4::read_scales(int64_t begin, int64_t end) const {
  const int64_t groups = cols_ / group_size_;
  ScaleGrid::Rows scales = read_column_scales(module_, *scale_, begin, end, cols_, group_size_, groups);
  scales.zeros = read_column_scales(module_, *zeros_, begin, end, cols_, group_size_, groups).scales;
  return scales;
}

void TorchaoInt4::apply_scales(const ScaleGrid::Rows& scales, int64_t row, float* w) const {
  add_offsets(scales, row, w);
}

}  // namespace assay

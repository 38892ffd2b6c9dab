#include "formats/compressed_tensors/sparse.h"

#include "formats/shared/bits.h"
#include "formats/shared/reading.h"

namespace assay::compressed_tensors {

SparseWeight::SparseWeight(const Module& module, int64_t rows, int64_t cols, const std::string& variant)
    : Weight(module), kept_(&module.at("compressed")) {
  const bool floats = is_float(kept_->dtype);
  if (!floats && kept_->dtype != DType::F8_E4M3 && kept_->dtype != DType::I8) {
    module.refuse(fmt::format("{}: expected floats, F8_E4M3 or I8, found {}", kept_->name, kept_->describe()));
  }
  const char* codes = floats ? "" : kept_->dtype == DType::I8 ? "+int-quantized" : "+float-quantized";
  init(rows, cols, variant + codes);
  mask_ = &module.expect("bitmask", {DType::U8}, {rows, ceil_div(cols, 8)});
  if (floats) return;
  require_config(kept_->dtype != DType::I8, kept_->dtype == DType::I8 ? 0 : 8);
  scales_ = float_scale_grid();
  if (kept_->dtype == DType::I8) zeros_ = byte_zero_points(*scales_);
}

std::vector<uint8_t> SparseWeight::read_masks(int64_t begin, int64_t end) const {
  return read_elements<uint8_t>(module_.checkpoint(), *mask_, begin * mask_bytes(), (end - begin) * mask_bytes());
}

std::optional<ScaleGrid::Rows> SparseWeight::read_scales(int64_t begin, int64_t end) const {
  if (!scales_) return std::nullopt;
  ScaleGrid::Rows scales = scales_->read(module_, begin, end);
  if (zeros_) read_byte_zero_points(*zeros_, scales);
  return scales;
}

std::pair<int64_t, int64_t> SparseWeight::read_shape(const Module& module) {
  const StoredTensor& shape = module.at("shape");
  if (shape.dtype != DType::I64 || shape.elements() != 2) {
    module.refuse(fmt::format("{}: expected two I64, found {}", shape.name, shape.describe()));
  }
  const auto values = read_elements<int64_t>(module.checkpoint(), shape);
  return {values[0], values[1]};
}

}  // namespace assay::compressed_tensors

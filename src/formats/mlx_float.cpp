#include "formats/mlx_float.h"

#include "base/error.h"
#include "formats/shared/parts.h"
#include "formats/shared/reading.h"

namespace assay {

namespace {

constexpr NamedRole kRoles[] = {
    {"weight", Role::codes}, {"scales", Role::scales}, {"global_scale", Role::global_scales}, {"bias", Role::bias}};
constexpr float kLargestProduct = 6 * 448;  // of E2M1 and E4M3

}  // namespace

MlxFloat::MlxFloat(const Module& module) : CodedWeight(module, "") {
  const mlx::Scheme scheme = module.config().parsed<mlx::Config>().scheme_of(module);
  format_ = "mlx/" + scheme.mode;
  const int64_t bits = scheme.mode == "mxfp8" ? 8 : 4, group_size = scheme.mode == "nvfp4" ? 16 : 32;
  if (scheme.bits != bits || scheme.group_size != group_size) {
    module.refuse(fmt::format("{}: mode {} has {} bits in groups of {}, the config says {} in groups of {}",
                              module.config().where(), scheme.mode, bits, group_size, scheme.bits, scheme.group_size));
  }
  set_codes(module.at("weight"), bits == 8 ? row_codes::e4m3() : row_codes::e2m1());
  const StoredTensor& scales = module.at("scales");
  if (scales.dtype != DType::U8) {
    module.refuse(fmt::format("{}: expected U8, found {}", scales.name, scales.describe()));
  }
  if (cols_ % group_size != 0) {
    module.refuse(fmt::format("{}: expected rows of whole groups of {} codes, found {}", module.at("weight").name,
                              group_size, module.at("weight").describe()));
  }
  set_scales(scales, scheme.mode == "nvfp4" ? DType::F8_E4M3 : DType::F8_E8M0, 1, group_size);
  if (scheme.mode == "nvfp4" && module.has("global_scale")) {
    global_ = &module.at("global_scale");
    const int64_t experts = module.at("weight").shape.size() > 2 ? module.at("weight").shape[0] : 1;
    if (global_->dtype != DType::F32 || global_->elements() != experts) {
      module.refuse(fmt::format("{}: expected F32, one for each of {} matrices, found {}", global_->name, experts,
                                global_->describe()));
    }
    rows_each_ = rows_ / experts;
  }
  parts_ = parts_of(module, kRoles);
}

ScaleGrid::Rows MlxFloat::read_scales(int64_t begin, int64_t end) const {
  ScaleGrid::Rows scales = CodedWeight::read_scales(begin, end);
  if (!global_) return scales;
  const std::vector<float> largest = read_floats(module_.checkpoint(), *global_);
  require_finite(module_, *global_, largest);
  for (int64_t row = begin; row < end; ++row) {
    const float factor = largest[row / rows_each_] / kLargestProduct;
    float* of_row = scales.scales.data() + (row - begin) * scales.grid_cols;
    for (int64_t group = 0; group < scales.grid_cols; ++group) of_row[group] *= factor;
  }
  return scales;
}

}  // namespace assay

#include "formats/mlx_float.h"

#include "base/error.h"
#include "formats/shared/parts.h"

namespace assay {

namespace {

constexpr NamedRole kRoles[] = {{"weight", Role::codes}, {"scales", Role::scales}, {"bias", Role::bias}};

}  // namespace

MlxFloat::MlxFloat(const Module& module) : CodedWeight(module, "") {
  const mlx::Scheme& scheme = module.config().parsed<mlx::Config>().scheme_of(module.name());
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
  set_scales(scales, scheme.mode == "nvfp4" ? DType::F8_E4M3 : DType::F8_E8M0, 1, group_size);
  parts_ = parts_of(module, kRoles);
}

}  // namespace assay

#include "formats/modelopt_nvfp4.h"

#include "base/error.h"

namespace assay {

namespace {

ActivationQuant nvfp4_inputs(const Module& module, const StoredTensor& scale) {
  ActivationQuant quant;
  quant.element = ActivationQuant::Element::e2m1;
  quant.scope = ActivationQuant::Scope::group;
  quant.group_size = ModeloptNvfp4::kGroup;
  quant.scale_rule = ActivationQuant::ScaleRule::nvfp4_multiply;
  quant.global_scale = read_scalar(module, scale);
  if (!(quant.global_scale > 0)) {
    fail("{}: {} is {}; expected a positive scale", module.name(), scale.name, quant.global_scale);
  }
  return quant;
}

}  // namespace

ModeloptNvfp4::ModeloptNvfp4(const Module& module) : Weight(module, kInfo.name) {
  if (algorithm() != "NVFP4" && algorithm() != "NVFP4_AWQ" && algorithm() != "W4A16_NVFP4") refuse_algorithm();
  set_codes(module.expect("weight", {DType::U8}, {-1, -1}), row_codes::e2m1());
  set_scales(module.expect("weight_scale", {DType::F8_E4M3}, {rows_, -1}), DType::F8_E4M3, 1, kGroup);
  global_ = &module.at("weight_scale_2");
  const StoredTensor* input = algorithm() == "W4A16_NVFP4" ? nullptr : module.find("input_scale");
  finish(input ? nvfp4_inputs(module, *input) : ActivationQuant{});
}

ScaleGrid::Rows ModeloptNvfp4::read_scales(int64_t begin, int64_t end) const {
  ScaleGrid::Rows scales = Weight::read_scales(begin, end);
  multiply_scales(module_, *global_, scales);
  return scales;
}

}  // namespace assay

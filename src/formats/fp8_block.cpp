#include "formats/fp8_block.h"

#include "base/error.h"

namespace assay {

namespace {

const StoredTensor& find_scale(const Module& module) {
  if (module.parameter()) return module.checkpoint().at(module.name() + "_scale_inv");
  if (const StoredTensor* scale = module.find("scale")) return *scale;
  return module.at("weight_scale_inv");
}

}  // namespace

Fp8Block::Fp8Block(const Module& module) : CodedWeight(module, "fp8/block") {
  const auto& config = module.config().parsed<fp8::Config>();
  const StoredTensor* stacked = module.parameter();
  const StoredTensor& codes = stacked ? *stacked : module.expect("weight", {DType::F8_E4M3}, {-1, -1});
  set_codes(codes, row_codes::e4m3());
  if (codes.shape.size() > 2 && codes.shape[codes.shape.size() - 2] % config.block_rows != 0) {
    module.refuse(fmt::format("{}: {}: blocks of {} rows would cross from one expert into the next", codes.name,
                              codes.describe(), config.block_rows));
  }
  const StoredTensor& scale = find_scale(module);
  if (scale.dtype != DType::F8_E8M0 && !is_float(scale.dtype)) {
    module.refuse(fmt::format("{}: expected floats or F8_E8M0, found {}", scale.name, scale.describe()));
  }
  set_scales(scale, scale.dtype, config.block_rows, config.block_cols);
  parts_ = fp8::parts_of(module);
  if (module.kind() == Module::Kind::embedding) return;
  if (config.is_static) module.refuse("static activation scales beside blocks of weights are not known to any tool");
  input_quant_.element = ActivationQuant::Element::e4m3;
  input_quant_.scope = ActivationQuant::Scope::group;
  input_quant_.group_size = config.block_cols;
  input_quant_.least_amax = 1e-10f;
  if (config.power_of_two_scales) input_quant_.scale_rule = ActivationQuant::ScaleRule::power_of_two;
}

}  // namespace assay

#include "formats/torchao_mx.h"

#include "base/json.h"

namespace assay {

namespace {

RowCodes codes_of(const Module& module, const StoredTensor& tensor) {
  switch (tensor.dtype) {
    case DType::F8_E4M3:
      return row_codes::e4m3();
    case DType::F8_E5M2:
      return row_codes::e5m2();
    default:
      module.expect("_weight_qdata", {DType::F8_E4M3, DType::F8_E5M2, DType::U8}, {-1, -1});
      return row_codes::e2m1();
  }
}

}  // namespace

TorchaoMx::TorchaoMx(const Module& module) : Weight(module) {
  const StoredTensor& codes = part("qdata");
  set_codes(codes, codes_of(module, codes));
  set_row_scales(DType::F8_E8M0);
  if (module.kind() == Module::Kind::linear) set_input_quant();
}

void TorchaoMx::set_input_quant() {
  const JsonObject json = data();
  const auto kwargs = json.object_if("act_quant_kwargs");
  if (!kwargs) return;
  const JsonObject settings = kwargs->object("_data");
  if (settings.object("scaling_mode").string("_data") != "RCEIL") settings.refuse("scaling_mode", "RCEIL");
  const std::string element = settings.object("elem_dtype").string("_data");
  if (element != "float8_e4m3fn" && element != "float4_e2m1fn_x2") {
    settings.refuse("elem_dtype", "float8_e4m3fn or float4_e2m1fn_x2");
  }
  input_quant_.element = element == "float8_e4m3fn" ? ActivationQuant::Element::e4m3 : ActivationQuant::Element::e2m1;
  input_quant_.scope = ActivationQuant::Scope::group;
  input_quant_.group_size = settings.integer("block_size");
  if (input_quant_.group_size < 1) settings.refuse("block_size", "a number from 1 up");
  input_quant_.scale_rule = ActivationQuant::ScaleRule::power_of_two;
}

}  // namespace assay

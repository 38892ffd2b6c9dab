#include "formats/torchao_int8.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/shared/reading.h"

namespace assay {

namespace {

constexpr float kLeastScale = 0x1p-23f;

}  // namespace

TorchaoInt8::TorchaoInt8(const Module& module) : Weight(module) {
  set_codes(module.expect("_weight_qdata", {DType::I8}, {-1, -1}), row_codes::int8());
  const auto [rows, cols] = block_size();
  const StoredTensor& scale = part("scale");
  set_float_scales(scale, rows, cols);
  zeros_ = find_part("zero_point");
  if (zeros_ && (zeros_->dtype != DType::I8 || zeros_->elements() != scale.elements())) {
    module.refuse(fmt::format("{}: expected I8, one for each scale, found {}", zeros_->name, zeros_->describe()));
  }
  if (module.kind() == Module::Kind::linear) set_input_quant();
}

void TorchaoInt8::set_input_quant() {
  const JsonObject json = data();
  const std::string scheme = json.string_or("activation_quantization", "");
  const auto kwargs = json.object_if("act_quant_kwargs");
  if (scheme.empty() && !kwargs) return;
  input_quant_.element = ActivationQuant::Element::integer;
  input_quant_.arithmetic = ActivationQuant::Arithmetic::reciprocal;
  if (scheme == "int8_asym_per_token") {
    input_quant_.symmetric = false;
    input_quant_.least_amax = 255 * kLeastScale;
    return;
  }
  if (!scheme.empty()) json.refuse("activation_quantization", "null or \"int8_asym_per_token\"");
  const JsonObject settings = kwargs->object("_data");
  if (settings.object("granularity").string("_type") != "PerRow") settings.refuse("granularity", "PerRow");
  if (settings.object("mapping_type").string("_data") != "SYMMETRIC") settings.refuse("mapping_type", "SYMMETRIC");
  if (settings.boolean_or("reduce_range", false)) settings.refuse("reduce_range", "false");
  input_quant_.least_amax = 127.5f * kLeastScale;
}

ScaleGrid::Rows TorchaoInt8::read_scales(int64_t begin, int64_t end) const {
  ScaleGrid::Rows scales = Weight::read_scales(begin, end);
  if (!zeros_) return scales;
  scales.zeros = read_values(module_.checkpoint(), *zeros_, DType::I8, scales.first_grid_row * scales.grid_cols,
                             scales.grid_rows * scales.grid_cols);
  return scales;
}

}  // namespace assay

#include "formats/torchao/inputs.h"

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "checkpoint/printable.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"
#include "formats/torchao/weight.h"

namespace assay::torchao {

namespace {

using Element = ActivationQuant::Element;
using Scope = ActivationQuant::Scope;
using ScaleRule = ActivationQuant::ScaleRule;
using Arithmetic = ActivationQuant::Arithmetic;

[[noreturn]] void cannot_emulate(const Module& module, const JsonObject& settings, const char* key) {
  const Json* value = settings.find(key);
  module.cannot_emulate(
      fmt::format("{}: cannot emulate {} {}", settings.where(), key, value ? printable(value->dump()) : "null"));
}

/// "granularity": one scale a token, or for some columns of it.
void set_granularity(const Module& module, const JsonObject& settings, ActivationQuant& quant) {
  const JsonObject granularity = settings.object("granularity");
  const std::string type = granularity.string("_type");
  const auto details = granularity.object_if("_data");
  if (type == "PerRow") {
    const int64_t dim = details ? details->integer_or("dim", -1) : -1;
    if (dim != -1 && dim != 1) cannot_emulate(module, settings, "granularity");
    quant.scope = Scope::token;
    return;
  }
  const Json* block = type == "PerBlock" && details ? details->find("block_size") : nullptr;
  const bool known = block && block->is_array() && block->size() == 2 && (*block)[0] == 1 &&
                     (*block)[1].is_number_integer() && (*block)[1] > 0;
  if (!known) cannot_emulate(module, settings, "granularity");
  quant.scope = Scope::group;
  quant.group_size = (*block)[1];
}

/// The integers of `bits` bits under scales from 2^-23 up.
ActivationQuant integer_inputs(int bits, bool symmetric) {
  constexpr float kLeastScale = 0x1p-23f;
  ActivationQuant quant;
  quant.element = Element::integer;
  quant.arithmetic = Arithmetic::reciprocal;
  quant.bits = bits;
  quant.symmetric = symmetric;
  const auto steps = static_cast<float>((1 << bits) - 1);
  quant.least_amax = (symmetric ? steps / 2 : steps) * kLeastScale;
  return quant;
}

ActivationQuant int8_inputs(const Module& module, const JsonObject& settings) {
  const std::string mapping = settings.object("mapping_type").string("_data");
  if (mapping != "SYMMETRIC" && mapping != "ASYMMETRIC") cannot_emulate(module, settings, "mapping_type");
  ActivationQuant quant = integer_inputs(settings.boolean_or("reduce_range", false) ? 7 : 8, mapping == "SYMMETRIC");
  const StoredTensor* scale = module.find("_weight_act_quant_scale");
  if (!scale) {
    set_granularity(module, settings, quant);
    return quant;
  }
  quant.scope = Scope::tensor;
  quant.scale = {read_scalar(module, *scale)};
  if (!(quant.scale[0] > 0))
    fail("{}: {} is {}; expected a positive scale", module.name(), scale->name, quant.scale[0]);
  if (const StoredTensor* zero = module.find("_weight_act_quant_zero_point")) {
    if (zero->dtype != DType::I8 || zero->elements() != 1) {
      module.refuse(fmt::format("{}: expected one I8, found {}", zero->name, zero->describe()));
    }
    quant.zero_point = read_values(module.checkpoint(), *zero, DType::I8, 0, 1);
  }
  return quant;
}

Element element_of(const Module& module, const JsonObject& settings, const char* key) {
  // Types that torch does not have are texts.
  const Json* value = settings.find(key);
  const std::string name = value && value->is_object() ? settings.object(key).string("_data") : "";
  if (name == "float8_e4m3fn") return Element::e4m3;
  if (name == "float8_e5m2") return Element::e5m2;
  if (name == "float4_e2m1fn_x2") return Element::e2m1;
  cannot_emulate(module, settings, key);
}

ActivationQuant float8_inputs(const Module& module, const JsonObject& settings) {
  ActivationQuant quant;
  quant.element = element_of(module, settings, "float8_dtype");
  quant.least_amax = static_cast<float>(settings.number_or("hp_value_lb", 0));
  quant.most_amax = static_cast<float>(settings.number_or("hp_value_ub", 0));
  if (!(quant.least_amax >= 0)) settings.refuse("hp_value_lb", "a positive number");
  if (!(quant.most_amax >= 0)) settings.refuse("hp_value_ub", "a positive number");
  set_granularity(module, settings, quant);
  return quant;
}

ActivationQuant mx_inputs(const Module& module, const JsonObject& settings) {
  constexpr std::pair<std::string_view, ScaleRule> kModes[] = {{"RCEIL", ScaleRule::power_of_two},
                                                               {"FLOOR", ScaleRule::mx_floor},
                                                               {"EVEN", ScaleRule::mx_even},
                                                               {"CEIL", ScaleRule::mx_ceil}};
  ActivationQuant quant;
  quant.element = element_of(module, settings, "elem_dtype");
  quant.scope = Scope::group;
  quant.group_size = settings.integer("block_size");
  if (quant.group_size < 1) settings.refuse("block_size", "a number from 1 up");
  const std::string mode = settings.object("scaling_mode").string("_data");
  for (const auto& [name, rule] : kModes) {
    if (name != mode) continue;
    quant.scale_rule = rule;
    return quant;
  }
  cannot_emulate(module, settings, "scaling_mode");
}

ActivationQuant nvfp4_inputs(const Module& module, const JsonObject& settings) {
  if (settings.boolean_or("use_dynamic_per_tensor_scale", false)) {
    cannot_emulate(module, settings, "use_dynamic_per_tensor_scale");
  }
  ActivationQuant quant;
  quant.element = Element::e2m1;
  quant.scope = Scope::group;
  quant.scale_rule = ScaleRule::nvfp4_inverse;
  quant.group_size = settings.integer_or("block_size", 16);
  if (quant.group_size < 1) settings.refuse("block_size", "a number from 1 up");
  if (const StoredTensor* scale = module.find("_weight_act_per_tensor_scale")) {
    quant.global_scale = read_scalar(module, *scale);
    if (!(quant.global_scale > 0)) {
      fail("{}: {} is {}; expected a positive scale", module.name(), scale->name, quant.global_scale);
    }
  }
  return quant;
}

}  // namespace

ActivationQuant input_quant(const Module& module, const JsonObject& data) {
  // Int4Tensor: what the kernel rounds inputs to; the type of the model, or a float8 of which no source is public.
  if (data.has("activation_dtype")) {
    const std::string type = data.object("activation_dtype").string("_data");
    if (type != "bfloat16" && type != "float16" && type != "float32") cannot_emulate(module, data, "activation_dtype");
  }
  const std::string scheme = data.string_or("activation_quantization", "");
  if (scheme == "int8_asym_per_token") return integer_inputs(8, false);
  if (!scheme.empty()) cannot_emulate(module, data, "activation_quantization");
  const auto kwargs = data.object_if("act_quant_kwargs");
  if (!kwargs) return {};
  const JsonObject settings = kwargs->object("_data");
  const std::string type = kwargs->string("_type");
  if (type == "QuantizeTensorToInt8Kwargs") return int8_inputs(module, settings);
  if (type == "QuantizeTensorToFloat8Kwargs") return float8_inputs(module, settings);
  if (type == "QuantizeTensorToMXKwargs") return mx_inputs(module, settings);
  if (type == "QuantizeTensorToNVFP4Kwargs") return nvfp4_inputs(module, settings);
  cannot_emulate(module, data, "act_quant_kwargs");
}

}  // namespace assay::torchao

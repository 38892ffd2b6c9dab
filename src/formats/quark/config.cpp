#include "formats/quark/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/printable.h"
#include "formats/shared/parts.h"
#include "formats/shared/wildcard.h"

namespace assay::quark {

namespace {

constexpr NamedRole kRoles[] = {
    {"weight", Role::codes},
    {"weight_scale", Role::scales},
    {"weight_zero_point", Role::zero_points},
    {"input_scale", Role::activation_scales},
    {"input_zero_point", Role::activation_scales},
    {"output_scale", Role::activation_scales},
    {"output_zero_point", Role::activation_scales},
    {"bias", Role::bias},
};

bool pattern_matches(const std::string& pattern, const std::string& name) {
  if (pattern.find('*') != std::string::npos) return matches_wildcard(pattern, name);
  return name.find(pattern) != std::string::npos;
}

/// The keys and values of an attention, which a cache holds.
bool is_cached(std::string_view name) {
  return name.ends_with("k_proj") || name.ends_with("v_proj");
}

}  // namespace

TensorScheme::TensorScheme(const JsonObject& json)
    : where(json.where()),
      dtype(json.string("dtype")),
      qscheme(json.string_or("qscheme", "")),
      group_size(json.integer_or("group_size", 0)),
      is_dynamic(json.boolean_or("is_dynamic", false)),
      scale_format(json.string_or("scale_format", "")),
      scale_calculation_mode(json.string_or("scale_calculation_mode", "")) {
  if (group_size < 0) json.refuse("group_size", "a number from 1 up");
}

LayerScheme::LayerScheme(const JsonObject& json) {
  for (const auto& [key, scheme] :
       {std::pair("weight", &weight), std::pair("input_tensors", &input), std::pair("output_tensors", &output)}) {
    if (const auto found = json.object_if(key)) scheme->emplace(*found);
  }
}

Config::Config(const QuantConfig& config) {
  const JsonObject json(config.json(), config.where());
  if (const auto global = json.object_if("global_quant_config")) global_ = LayerScheme(*global);
  if (const auto layers = json.object_if("layer_quant_config")) {
    for (const auto& [pattern, scheme] : layers->json().items()) {
      const JsonObject entry(scheme, layers->where() + ": " + printable(pattern));
      layers_.emplace_back(pattern, LayerScheme(entry));
    }
  }
  if (const auto classes = json.object_if("layer_type_quant_config")) {
    for (const auto& [name, scheme] : classes->json().items()) {
      const JsonObject entry(scheme, classes->where() + ": " + printable(name));
      if (name == "Linear" || name == "nn.Linear") linear_ = LayerScheme(entry);
    }
  }
  if (const auto exported = json.object_if("export")) {
    const std::string method = exported->string_or("pack_method", "reorder");
    if (method != "reorder" && method != "order") exported->refuse("pack_method", "\"reorder\" or \"order\"");
    reorder_ = method == "reorder";
    const std::string format = exported->string_or("weight_format", "real_quantized");
    if (format != "real_quantized") exported->refuse("weight_format", "\"real_quantized\"");
  }
}

const LayerScheme& Config::scheme_of(const std::string& module) const {
  for (const auto& [pattern, scheme] : layers_) {
    if (pattern_matches(pattern, module)) return scheme;
  }
  return linear_ ? *linear_ : global_;
}

bool stores(const Module& module, std::initializer_list<DType> weight, std::initializer_list<DType> scale) {
  if (module.config().method() != kMethod) return false;
  const auto is_one = [](const StoredTensor* tensor, std::initializer_list<DType> dtypes) {
    return tensor && std::find(dtypes.begin(), dtypes.end(), tensor->dtype) != dtypes.end();
  };
  return is_one(module.find("weight"), weight) && is_one(module.find("weight_scale"), scale);
}

Weight::Weight(const Module& module, const char* variant)
    : CodedWeight(module, fmt::format("{}/{}", kMethod, variant)) {}

const TensorScheme& Weight::require_dtype(std::initializer_list<std::string_view> dtypes) const {
  const auto& weight = module_.config().parsed<Config>().scheme_of(name()).weight;
  if (!weight) module_.refuse("the config leaves this weight plain, but a quantized one is stored");
  if (std::find(dtypes.begin(), dtypes.end(), weight->dtype) == dtypes.end()) {
    module_.refuse(fmt::format("{}: dtype {} does not fit tensors stored like {}", weight->where,
                               printable(weight->dtype), format_));
  }
  return *weight;
}

ActivationQuant Weight::input_quant_of(const TensorScheme& scheme) const {
  using Scope = ActivationQuant::Scope;
  const bool fp8 = scheme.dtype == "fp8_e4m3";
  if (fp8 && !scheme.is_dynamic && scheme.qscheme == "per_tensor") {
    return static_e4m3(module_, module_.at("input_scale"));
  }
  ActivationQuant quant;
  if (fp8 && scheme.is_dynamic && scheme.qscheme == "per_channel") {
    quant.element = ActivationQuant::Element::e4m3;
    return quant;
  }
  const bool mx = scheme.qscheme == "per_group" && scheme.group_size == 32 && scheme.scale_format == "e8m0";
  if (scheme.dtype == "fp4" && mx && scheme.is_dynamic && scheme.scale_calculation_mode == "even") {
    quant.element = ActivationQuant::Element::e2m1;
    quant.scope = Scope::group;
    quant.group_size = 32;
    quant.scale_rule = ActivationQuant::ScaleRule::mx;
    return quant;
  }
  module_.cannot_emulate(fmt::format(
      "{}: cannot emulate {} {} {} inputs; known are fp8_e4m3 per_tensor static, fp8_e4m3 "
      "per_channel dynamic, and fp4 in groups of 32 under e8m0 scales (\"even\")",
      scheme.where, scheme.is_dynamic ? "dynamic" : "static", printable(scheme.dtype), printable(scheme.qscheme)));
}

void Weight::finish() {
  parts_ = parts_of(module_, kRoles);
  if (module_.kind() == Module::Kind::embedding) return;
  const LayerScheme& scheme = module_.config().parsed<Config>().scheme_of(name());
  if (scheme.input) input_quant_ = declared_quant([&] { return input_quant_of(*scheme.input); });
  if (scheme.output && !is_cached(name())) {
    output_quant_ = declared_quant([&]() -> ActivationQuant {
      module_.cannot_emulate(fmt::format("{}: cannot emulate quantized outputs", scheme.output->where));
    });
  }
}

AttentionQuant attention_quant(const Module& attention) {
  AttentionQuant quant;
  for (const auto& [part, target] : {std::pair("k_proj", &quant.k), std::pair("v_proj", &quant.v)}) {
    const StoredTensor* scale = attention.find(fmt::format("{}.output_scale", part));
    if (!scale) continue;
    const std::string layer = attention.name() + "." + part;
    const auto& output = attention.config().parsed<Config>().scheme_of(layer).output;
    if (!output) continue;
    *target = declared_quant([&] {
      if (output->dtype != "fp8_e4m3" || output->qscheme != "per_tensor" || output->is_dynamic) {
        attention.cannot_emulate(
            fmt::format("{}: cannot emulate a cache other than fp8_e4m3 under one static scale", output->where));
      }
      return static_e4m3(attention, *scale);
    });
    quant.parts.push_back({Role::activation_scales, scale});
  }
  return quant;
}

}  // namespace assay::quark

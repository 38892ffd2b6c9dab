#include "formats/quanto/config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/printable.h"
#include "formats/shared/coded_weight.h"
#include "formats/shared/parts.h"

namespace assay::quanto {

namespace {

constexpr NamedRole kRoles[] = {
    {"weight._data", Role::codes},
    {"weight._scale", Role::scales},
    {"weight._shift", Role::zero_points},
    {"input_scale", Role::activation_scales},
    {"output_scale", Role::activation_scales},
    {"bias", Role::bias},
};

}  // namespace

Config::Config(const QuantConfig& config) {
  for (const auto& [name, entry] : config.json().items()) {
    if (!entry.is_object()) continue;
    const JsonObject json(entry, config.where() + ": " + printable(name));
    modules_[name] = {json.string_or("weights", "none"), json.string_or("activations", "none")};
  }
}

const std::string& Config::weights_of(const Module& module) const {
  const auto found = modules_.find(module.name());
  if (found == modules_.end() || found->second.weights == "none") {
    module.refuse("quanto_qmap.json does not quantize this module, but its tensors are quantized");
  }
  return found->second.weights;
}

ActivationQuant Config::activations_of(const Module& module, const char* scale) const {
  const auto found = modules_.find(module.name());
  if (found == modules_.end() || found->second.activations == "none") return {};
  const std::string& type = found->second.activations;
  ActivationQuant quant = static_e4m3(module, module.at(scale));
  if (type == "qint8") {
    quant.element = ActivationQuant::Element::integer;
  } else if (type == "qfloat8_e5m2") {
    quant.element = ActivationQuant::Element::e5m2;
  } else if (type != "qfloat8" && type != "qfloat8_e4m3fn") {
    module.cannot_emulate(fmt::format("cannot emulate activations of type {}", printable(type)));
  }
  return quant;
}

std::vector<StoredPart> parts_of(const Module& module) {
  return assay::parts_of(module, kRoles);
}

}  // namespace assay::quanto

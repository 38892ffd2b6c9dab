#include "formats/quanto/config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/printable.h"
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
  if (found->second.activations != "none") {
    module.refuse(fmt::format("cannot emulate activations of type {}", printable(found->second.activations)));
  }
  return found->second.weights;
}

std::vector<StoredPart> parts_of(const Module& module) {
  return assay::parts_of(module, kRoles);
}

}  // namespace assay::quanto

#include "formats/fp8/config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/printable.h"
#include "formats/shared/parts.h"

namespace assay::fp8 {

namespace {

constexpr NamedRole kRoles[] = {
    {"weight", Role::codes}, {"weight_scale_inv", Role::scales},       {"weight_scale", Role::scales},
    {"scale", Role::scales}, {"input_scale", Role::activation_scales}, {"activation_scale", Role::activation_scales},
    {"bias", Role::bias},
};

}  // namespace

Config::Config(const QuantConfig& config) {
  const JsonObject json(config.json(), config.where());
  if (const Json* block = json.find("weight_block_size")) {
    const bool pair = block->is_array() && block->size() == 2 && (*block)[0].is_number_integer() &&
                      (*block)[1].is_number_integer() && (*block)[0] > 0 && (*block)[1] > 0;
    if (!pair) json.refuse("weight_block_size", "two numbers from 1 up: rows, columns");
    has_blocks = true;
    block_rows = (*block)[0];
    block_cols = (*block)[1];
  }
  const std::string scheme = json.string_or("activation_scheme", "dynamic");
  if (scheme != "dynamic" && scheme != "static") json.refuse("activation_scheme", "\"dynamic\" or \"static\"");
  is_static = scheme == "static";
  const std::string scale_fmt = json.string_or("scale_fmt", "float");
  if (scale_fmt != "float" && scale_fmt != "ue8m0") json.refuse("scale_fmt", "\"float\" or \"ue8m0\"");
  power_of_two_scales = scale_fmt == "ue8m0";
  const std::string element = json.string_or("fmt", "e4m3");
  if (element != "e4m3") json.refuse("fmt", "\"e4m3\"");
}

std::vector<StoredPart> parts_of(const Module& module) {
  std::vector<StoredPart> parts = assay::parts_of(module, kRoles);
  if (const StoredTensor* stacked = module.parameter()) {
    parts.push_back({Role::codes, stacked});
    for (const char* suffix : {"_scale_inv", "_scale"}) {
      if (const StoredTensor* scale = module.checkpoint().find(module.name() + suffix)) {
        parts.push_back({Role::scales, scale});
      }
    }
  }
  return parts;
}

}  // namespace assay::fp8

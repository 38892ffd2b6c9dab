#include "formats/mlx/config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/printable.h"

namespace assay::mlx {

namespace {

Scheme read_scheme(const JsonObject& json, const Scheme& otherwise) {
  Scheme scheme;
  scheme.mode = json.string_or("mode", otherwise.mode);
  scheme.bits = json.integer_or("bits", otherwise.bits);
  scheme.group_size = json.integer_or("group_size", otherwise.group_size);
  if (scheme.mode == "affine" && (scheme.bits < 2 || scheme.bits > 8 || scheme.bits == 7)) {
    json.refuse("bits", "2, 3, 4, 5, 6 or 8");
  }
  if (scheme.mode != "affine" && scheme.mode != "mxfp4" && scheme.mode != "mxfp8" && scheme.mode != "nvfp4") {
    json.refuse("mode", "\"affine\", \"mxfp4\", \"mxfp8\" or \"nvfp4\"");
  }
  if (scheme.group_size < 1) json.refuse("group_size", "a number from 1 up");
  return scheme;
}

}  // namespace

Config::Config(const QuantConfig& config) {
  const JsonObject json(config.json(), config.where());
  if (json.boolean_or("quantize_activations", false)) {
    json.refuse("quantize_activations", "false (quantized activations of MLX cannot be emulated)");
  }
  default_ = read_scheme(json, {});
  for (const auto& [name, entry] : json.json().items()) {
    if (!entry.is_object()) continue;
    modules_[name] = read_scheme(JsonObject(entry, config.where() + ": " + printable(name)), default_);
  }
}

const Scheme& Config::scheme_of(const std::string& module) const {
  const auto found = modules_.find(module);
  return found == modules_.end() ? default_ : found->second;
}

bool stores(const Module& module, std::string_view mode) {
  if (module.config().method() != kMethod) return false;
  const StoredTensor* weight = module.find("weight");
  return weight && weight->dtype == DType::U32 &&
         module.config().parsed<Config>().scheme_of(module.name()).mode == mode;
}

}  // namespace assay::mlx

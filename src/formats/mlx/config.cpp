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

/// What the shapes and the type of the scales say of a weight with `cols` columns; nothing if they make no sense.
std::optional<Scheme> scheme_in(const Module& module, int64_t cols) {
  const StoredTensor *weight = module.find("weight"), *scales = module.find("scales");
  if (!weight || !scales || weight->elements() < 1 || scales->elements() < 1 || cols < 1) return std::nullopt;
  const int64_t groups = scales->shape.back(), words = weight->shape.back();
  if (cols % groups != 0 || words > cols || words * 32 % cols != 0) return std::nullopt;
  const Scheme found{"affine", words * 32 / cols, cols / groups};
  if (scales->dtype != DType::U8) return found.bits <= 8 && found.bits != 7 ? std::optional(found) : std::nullopt;
  for (const Scheme& scheme : {Scheme{"nvfp4", 4, 16}, Scheme{"mxfp4", 4, 32}, Scheme{"mxfp8", 8, 32}}) {
    if (found.bits == scheme.bits && found.group_size == scheme.group_size) return scheme;
  }
  return std::nullopt;
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

Scheme Config::scheme_of(const Module& module) const {
  if (const auto found = modules_.find(module.name()); found != modules_.end()) return found->second;
  return module.wanted() ? scheme_in(module, module.wanted()->cols).value_or(default_) : default_;
}

bool stores(const Module& module, std::string_view mode) {
  if (module.config().method() != kMethod) return false;
  const StoredTensor* weight = module.find("weight");
  return weight && weight->dtype == DType::U32 && module.config().parsed<Config>().scheme_of(module).mode == mode;
}

}  // namespace assay::mlx

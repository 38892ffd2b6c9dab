#include "formats/autoround/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "formats/shared/parts.h"
#include "formats/shared/scale_grid.h"

namespace assay::autoround {

namespace {

constexpr int64_t kUnquantizedBits = 16;

/// A number, or for blocks of a matrix a pair.
void read_group_size(const JsonObject& json, Scheme& scheme) {
  constexpr const char* kExpected = "a positive number, -1 for whole rows, or a pair [rows, columns]";
  const Json* value = json.find("group_size");
  if (!value) return;
  scheme.block_rows = 1;
  if (value->is_array()) {
    const auto is_number = [](const Json& size) { return size.is_number_integer(); };
    if (value->size() != 2 || !std::all_of(value->begin(), value->end(), is_number))
      json.refuse("group_size", kExpected);
    scheme.block_rows = (*value)[0].get<int64_t>();
    scheme.group_size = (*value)[1].get<int64_t>();
  } else {
    scheme.group_size = json.integer("group_size");
  }
  if (scheme.group_size < -1 || scheme.group_size == 0 || scheme.block_rows < 1) json.refuse("group_size", kExpected);
}

/// What `json` says, and otherwise what holds elsewhere.
Scheme scheme_in(const JsonObject& json, Scheme scheme) {
  scheme.bits = json.integer_or("bits", scheme.bits);
  if (scheme.bits < 1 || scheme.bits > 32) json.refuse("bits", "2 to 8, or 16 for modules left alone");
  read_group_size(json, scheme);
  scheme.data_type = json.string_or("data_type", scheme.data_type);
  scheme.act_bits = json.integer_or("act_bits", scheme.act_bits);
  if (const Json* size = json.find("act_group_size"); size && size->is_number_integer()) {
    scheme.act_group_size = size->get<int64_t>();
  }
  scheme.act_data_type = json.string_or("act_data_type", scheme.act_data_type);
  scheme.act_dynamic = json.boolean_or("act_dynamic", scheme.act_dynamic);
  return scheme;
}

/// Releases up to 0.3 named the packing by the kernel that was to run it: "auto_round:exllamav2", "gptq:exllamav2".
std::string packing_of_backend(std::string backend) {
  for (const char* old : {"autoround:", "auto-round:"}) {
    if (backend.starts_with(old)) backend = "auto_round:" + backend.substr(std::string_view(old).size());
  }
  if (backend == "auto_round:exllamav2" || backend == "auto_round:triton") return "auto_round";
  if (backend.starts_with("gptq:") || backend.starts_with("auto_gptq:")) return "auto_round:auto_gptq";
  return backend;
}

/// Names are no patterns that match anything else, in practice; but both stand under the same key.
bool is_name(const std::string& key) {
  return key.find_first_of("*+?[](){}|^$\\") == std::string::npos;
}

float positive_scalar(const Module& module, const char* suffix) {
  const StoredTensor& tensor = module.at(suffix);
  const float value = read_scalar(module, tensor);
  if (!(value > 0)) fail("{}: {} is {}; expected a positive number", module.name(), tensor.name, value);
  return value;
}

}  // namespace

Config::Config(const QuantConfig& config) : where_(config.where()) {
  const JsonObject json(config.json(), where_);
  packing_ = json.has("packing_format") ? json.string("packing_format")
                                        : packing_of_backend(json.string_or("backend", "auto_round"));
  scheme_ = scheme_in(json, {});
  const auto extra = json.object_if("extra_config");
  if (!extra) return;
  for (const auto& [key, value] : extra->json().items()) {
    const std::string where = fmt::format("{}: {}", extra->where(), printable(key));
    const Scheme scheme = scheme_in(JsonObject(value, where), scheme_);
    names_.emplace(key, scheme);
    if (!is_name(key)) patterns_.emplace_back(Pattern(key, extra->where()), scheme);
  }
}

std::vector<Scheme> Config::schemes_of(const std::string& module) const {
  if (const auto named = names_.find(module); named != names_.end()) return {named->second};
  std::vector<Scheme> schemes;
  for (const auto& [pattern, scheme] : patterns_) {
    if (pattern.found_in(module)) schemes.push_back(scheme);
  }
  if (schemes.empty()) schemes.push_back(scheme_);
  return schemes;
}

ActivationQuant input_quant(const Module& module, const Scheme& scheme, int64_t cols) {
  using Rule = ActivationQuant::ScaleRule;
  ActivationQuant quant;
  if (scheme.act_bits >= kUnquantizedBits || module.kind() == Module::Kind::embedding) return quant;
  const std::string& type = scheme.act_data_type;
  quant.bits = static_cast<int>(scheme.act_bits);
  quant.group_size = scheme.act_group_size;
  quant.scope = ActivationQuant::Scope::group;
  const bool four = scheme.act_bits == 4, eight = scheme.act_bits == 8;
  if (type.starts_with("nv_fp4") && four) {
    quant.element = ActivationQuant::Element::e2m1;
    quant.scale_rule = Rule::nvfp4;
    quant.global_scale = positive_scalar(module, "input_global_scale");
  } else if (type.starts_with("nvfp4_v2") && four) {
    quant.element = ActivationQuant::Element::e2m1;
    quant.scale_rule = Rule::e5m3;
  } else if (type.starts_with("mx_fp") && (four || eight)) {
    quant.element = four ? ActivationQuant::Element::e2m1 : ActivationQuant::Element::e4m3;
    quant.scale_rule = Rule::mx_floor;
  } else if (type.starts_with("mx_int") && four) {
    quant.element = ActivationQuant::Element::integer;
    quant.scale_rule = Rule::mx_floor;
  } else if (type.starts_with("fp") && eight) {
    quant.element = ActivationQuant::Element::e4m3;
    if (!scheme.act_dynamic) {
      quant.scope = ActivationQuant::Scope::tensor;
      quant.scale = {positive_scalar(module, "input_scale")};
    } else if (scheme.act_group_size == -1) {
      quant.scope = ActivationQuant::Scope::token;
    }
  }
  const bool grouped = quant.scope == ActivationQuant::Scope::group;
  if (!quant.active() || (grouped && (quant.group_size < 1 || cols % quant.group_size != 0))) {
    module.refuse(fmt::format("{}: cannot emulate {}-bit {} activations, {}, in groups of {} for {} columns",
                              config_of(module).where(), scheme.act_bits, printable(type),
                              scheme.act_dynamic ? "dynamic" : "static", scheme.act_group_size, cols));
  }
  return quant;
}

std::vector<StoredPart> parts_of(const Module& module) {
  static constexpr NamedRole kRoles[] = {{"weight", Role::codes},
                                         {"weight_packed", Role::codes},
                                         {"weight_scale", Role::scales},
                                         {"weight_scale_inv", Role::scales},
                                         {"weight_global_scale", Role::global_scales},
                                         {"input_scale", Role::activation_scales},
                                         {"input_global_scale", Role::activation_scales},
                                         {"bias", Role::bias}};
  return assay::parts_of(module, kRoles);
}

}  // namespace assay::autoround

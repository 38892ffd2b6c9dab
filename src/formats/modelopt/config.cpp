#include "formats/modelopt/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/printable.h"
#include "formats/shared/parts.h"

namespace assay::modelopt {

namespace {

constexpr NamedRole kRoles[] = {
    {"weight", Role::codes},
    {"weight_scale", Role::scales},
    {"weight_scale_2", Role::global_scales},
    {"pre_quant_scale", Role::scales},
    {"input_scale", Role::activation_scales},
    {"k_scale", Role::activation_scales},
    {"v_scale", Role::activation_scales},
    {"bias", Role::bias},
};

}  // namespace

Config::Config(const QuantConfig& config) {
  JsonObject json(config.json(), config.where());
  if (const auto nested = json.object_if("quantization")) json = *nested;
  algorithm_ = json.string_or("quant_algo", "");
  if (const auto layers = json.object_if("quantized_layers")) {
    for (const auto& [name, entry] : layers->json().items()) {
      const JsonObject layer(entry, layers->where() + ": " + printable(name));
      layers_[name] = layer.string_or("quant_algo", "");
    }
  }
  kv_cache_ = json.string_or("kv_cache_quant_algo", "");
  if (kv_cache_ == "NONE") kv_cache_.clear();
  const auto scheme = json.object_if("kv_cache_scheme");
  if (scheme && kv_cache_.empty()) {
    kv_cache_ = fmt::format("{}{}", scheme->string_or("type", "float") == "float" ? "FP" : "INT",
                            scheme->integer_or("num_bits", 8));
  }
}

const std::string& Config::algorithm_of(const std::string& module) const {
  const auto found = layers_.find(module);
  return found == layers_.end() ? algorithm_ : found->second;
}

bool stores(const Module& module, DType weight, std::initializer_list<DType> scale) {
  if (module.config().method() != kMethod) return false;
  const StoredTensor* codes = module.find("weight");
  const StoredTensor* scales = module.find("weight_scale");
  return codes && codes->dtype == weight && scales &&
         std::find(scale.begin(), scale.end(), scales->dtype) != scale.end();
}

Weight::Weight(const Module& module, const char* variant)
    : CodedWeight(module, fmt::format("{}/{}", kMethod, variant)) {
  if (const auto low_rank = module.find("weight_quantizer.svdquant_lora_a")) {
    module.refuse(fmt::format("{}: weights with a low-rank part (NVFP4_SVD) are not supported", low_rank->name));
  }
}

const std::string& Weight::algorithm() const {
  return module_.config().parsed<Config>().algorithm_of(name());
}

void Weight::refuse_algorithm() const {
  module_.refuse(
      fmt::format("quant_algo {} is not supported for tensors stored like {}; supported are FP8, "
                  "FP8_PER_CHANNEL_PER_TOKEN, FP8_PB_WO, NVFP4, NVFP4_AWQ, W4A16_NVFP4, W4A16_AWQ, W4A8_AWQ",
                  printable(algorithm()), format_));
}

void Weight::finish(ActivationQuant input) {
  parts_ = parts_of(module_, kRoles);
  if (const StoredTensor* scale = module_.find("pre_quant_scale")) set_column_scale(*scale);
  if (module_.kind() == Module::Kind::embedding || !input.active()) return;
  input_quant_ = std::move(input);
  input_quant_.column_scale = read_column_scale();
}

AttentionQuant attention_quant(const Module& attention) {
  AttentionQuant quant;
  const std::string& algorithm = attention.config().parsed<Config>().kv_cache();
  if (algorithm.empty()) return quant;
  if (algorithm != "FP8") {
    quant.k = quant.v = declared_quant([&]() -> ActivationQuant {
      attention.cannot_emulate(fmt::format("cannot emulate a KV cache of type {}; FP8 is known", printable(algorithm)));
    });
    return quant;
  }
  for (const auto& [name, target] : {std::pair("k", &quant.k), std::pair("v", &quant.v)}) {
    // A scale that is not stored is 1: the tool's own default.
    const StoredTensor* scale = attention.find(fmt::format("{0}_proj.{0}_scale", name));
    if (scale) {
      *target = static_e4m3(attention, *scale);
      quant.parts.push_back({Role::activation_scales, scale});
    } else {
      target->element = ActivationQuant::Element::e4m3;
      target->scope = ActivationQuant::Scope::tensor;
      target->scale = {1};
    }
  }
  return quant;
}

}  // namespace assay::modelopt

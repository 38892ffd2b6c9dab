#include "formats/bitnet.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "formats/shared/parts.h"
#include "formats/shared/scale_grid.h"

namespace assay {

namespace {

constexpr int kPerByte = 4;

constexpr NamedRole kRoles[] = {{"weight", Role::codes}, {"weight_scale", Role::scales}, {"bias", Role::bias}};

struct Config {
  bool scale_divides = true;
  bool is_online = false;

  explicit Config(const QuantConfig& config) {
    const JsonObject json(config.json(), config.where());
    const std::string linear_class = json.string_or("linear_class", "bitlinear");
    if (linear_class != "bitlinear" && linear_class != "autobitlinear") {
      json.refuse("linear_class", "\"bitlinear\" or \"autobitlinear\"");
    }
    scale_divides = linear_class == "bitlinear";
    const std::string mode = json.string_or("quantization_mode", "offline");
    if (mode != "offline" && mode != "online") json.refuse("quantization_mode", "\"offline\" or \"online\"");
    is_online = mode == "online" && !scale_divides;
  }
};

}  // namespace

bool Bitnet::matches(const Module& module) {
  if (module.config().method() != kInfo.family || module.kind() == Module::Kind::embedding) return false;
  const StoredTensor* weight = module.find("weight");
  if (!weight) return false;
  if (weight->dtype == DType::U8) return true;
  return is_float(weight->dtype) && module.config().parsed<Config>().is_online && module.name() != "lm_head";
}

Bitnet::Bitnet(const Module& module) : StoredWeight(module) {
  const auto& config = module.config().parsed<Config>();
  if (config.is_online) {
    module.refuse("quantization_mode \"online\": weights made ternary at run time are not supported; pack them first");
  }
  if (module.has("rms_norm.weight")) module.refuse("a layer with a norm of its own (use_rms_norm) is not supported");
  const StoredTensor& weight = module.expect("weight", {DType::U8}, {-1, -1});
  rows_ = weight.shape[0] * kPerByte;
  cols_ = weight.shape[1];
  if (rows_ < 1 || cols_ < 1) module.refuse(fmt::format("{}: empty: {}", weight.name, weight.describe()));
  scale_ = &module.expect("weight_scale", {DType::BF16, DType::F16, DType::F32}, {1});
  codes_ = {.words = &weight, .length = weight.elements(), .bits = 2, .chunks = kPerByte};
  divides_ = config.scale_divides;
  parts_ = parts_of(module, kRoles);
  input_quant_.element = ActivationQuant::Element::integer;
  input_quant_.arithmetic = ActivationQuant::Arithmetic::inverse;
  input_quant_.top = 127;
  input_quant_.least_amax = 1e-5f;
}

void Bitnet::decode(int64_t begin, int64_t end, float* out) const {
  const float scale = read_scalar(module_, *scale_);
  if (scale == 0) fail("{}: {} is 0", name(), scale_->name);
  // Code 3 means nothing: a NaN until it is found below.
  float values[] = {-1, 0, 1, NAN};
  for (float& value : values) value = divides_ ? value / scale : value * scale;
  codes_.read(module_.checkpoint(), begin * cols_, end * cols_, out, values);
  const int64_t count = (end - begin) * cols_;
  bool bad = false;
  for (int64_t i = 0; i < count; ++i) bad |= std::isnan(out[i]);
  if (!bad) return;
  const int64_t index = std::find_if(out, out + count, [](float w) { return std::isnan(w); }) - out;
  fail("{}: code of row {}, column {} of {} is 3; expected 0, 1 or 2", name(), begin + index / cols_, index % cols_,
       codes_.words->name);
}

}  // namespace assay

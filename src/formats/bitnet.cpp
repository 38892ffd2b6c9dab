#include "formats/bitnet.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/shared/parts.h"
#include "formats/shared/quantize.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"

namespace assay {

namespace {

constexpr int kPerByte = 4;

constexpr NamedRole kRoles[] = {{"weight", Role::codes}, {"weight_scale", Role::scales}, {"bias", Role::bias}};

struct Config {
  bool scale_divides = true;
  bool is_online = false;
  std::vector<std::string> plain;  // modules_to_not_convert

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
    const Json* names = json.find("modules_to_not_convert");
    if (!names) return;
    const auto is_name = [](const Json& name) { return name.is_string(); };
    if (!names->is_array() || !std::all_of(names->begin(), names->end(), is_name)) {
      json.refuse("modules_to_not_convert", "a list of names");
    }
    for (const Json& name : *names) plain.push_back(name);
  }

  /// The names are of modules, of what they are in, or ends of names.
  bool leaves_alone(const std::string& module) const {
    return std::any_of(plain.begin(), plain.end(), [&](const std::string& name) {
      return module.ends_with(name) || module.starts_with(name + ".");
    });
  }
};

}  // namespace

bool Bitnet::matches(const Module& module) {
  if (module.config().method() != kInfo.family || module.kind() == Module::Kind::embedding) return false;
  const StoredTensor* weight = module.find("weight");
  return weight && weight->dtype == DType::U8;
}

namespace {

/// Inputs are quantized alike, whatever the weights are.
ActivationQuant input_quant_of(const Module& module) {
  if (module.has("rms_norm.weight")) module.refuse("a layer with a norm of its own (use_rms_norm) is not supported");
  ActivationQuant quant;
  quant.element = ActivationQuant::Element::integer;
  quant.arithmetic = ActivationQuant::Arithmetic::inverse;
  quant.top = 127;
  quant.least_amax = 1e-5f;
  return quant;
}

}  // namespace

Bitnet::Bitnet(const Module& module) : StoredWeight(module) {
  const auto& config = module.config().parsed<Config>();
  const StoredTensor& weight = module.expect("weight", {DType::U8}, {-1, -1});
  rows_ = weight.shape[0] * kPerByte;
  cols_ = weight.shape[1];
  if (rows_ < 1 || cols_ < 1) module.refuse(fmt::format("{}: empty: {}", weight.name, weight.describe()));
  scale_ = &module.expect("weight_scale", {DType::BF16, DType::F16, DType::F32}, {1});
  codes_ = {.words = &weight, .length = weight.elements(), .bits = 2, .chunks = kPerByte};
  divides_ = config.scale_divides;
  parts_ = parts_of(module, kRoles);
  input_quant_ = input_quant_of(module);
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

bool BitnetOnline::matches(const Module& module) {
  if (module.config().method() != kInfo.family || module.kind() == Module::Kind::embedding) return false;
  const StoredTensor* weight = module.find("weight");
  if (!weight || !is_float(weight->dtype) || module.name() == "lm_head") return false;
  const auto& config = module.config().parsed<Config>();
  return config.is_online && !config.leaves_alone(module.name());
}

BitnetOnline::BitnetOnline(const Module& module) : StoredWeight(module) {
  static constexpr NamedRole kPlain[] = {{"weight", Role::weights}, {"bias", Role::bias}};
  weight_ = &module.expect("weight", {DType::BF16, DType::F16, DType::F32}, {-1, -1});
  rows_ = weight_->shape[0];
  cols_ = weight_->shape[1];
  if (rows_ < 1 || cols_ < 1) module.refuse(fmt::format("{}: empty: {}", weight_->name, weight_->describe()));
  parts_ = parts_of(module, kPlain);
  input_quant_ = input_quant_of(module);
}

float BitnetOnline::read_scale() const {
  double sum = 0;
  std::vector<float> row(cols_);
  for_rows(module_.checkpoint(), *weight_, cols_ * bits_of(weight_->dtype) / 8, 0, rows_,
           [&](int64_t, const uint8_t* stored) {
             convert_floats(weight_->dtype, stored, cols_, row.data());
             for (float w : row) sum += std::fabs(w);
           });
  const double mean = sum / (static_cast<double>(rows_) * static_cast<double>(cols_));
  if (!std::isfinite(mean)) fail("{}: {}: the mean of its magnitudes is {}", name(), weight_->name, mean);
  return 1 / std::max(static_cast<float>(mean), 1e-5f);
}

void BitnetOnline::decode(int64_t begin, int64_t end, float* out) const {
  std::call_once(once_, [this] { scale_ = read_scale(); });
  for_rows(module_.checkpoint(), *weight_, cols_ * bits_of(weight_->dtype) / 8, begin, end,
           [&](int64_t row, const uint8_t* stored) {
             float* w = out + (row - begin) * cols_;
             convert_floats(weight_->dtype, stored, cols_, w);
             // Clamped first, since only small numbers can be rounded; the limits are integers.
             for (int64_t c = 0; c < cols_; ++c) w[c] = round_to_integer(clamp_code(w[c] * scale_, {-1, 1})) / scale_;
           });
}

}  // namespace assay

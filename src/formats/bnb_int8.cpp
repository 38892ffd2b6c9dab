#include "formats/bnb_int8.h"

#include <cmath>

#include "base/json.h"
#include "formats/shared/parts.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"

namespace assay {

namespace {

constexpr NamedRole kRoles[] = {
    {"weight", Role::codes},
    {"SCB", Role::scales},
    {"weight_format", Role::codes},
    {"bias", Role::bias},
};

/// What the config says about inputs; a checkpoint without one means the tool's default.
struct Int8Config {
  float threshold = 6;

  explicit Int8Config(const QuantConfig& config) {
    if (config.method() != "bitsandbytes") return;
    const JsonObject json(config.json(), config.where());
    threshold = static_cast<float>(json.number_or("llm_int8_threshold", threshold));
    if (!std::isfinite(threshold) || threshold < 0) json.refuse("llm_int8_threshold", "a number from 0 up");
  }
};

}  // namespace

BnbInt8::BnbInt8(const Module& module) : StoredWeight(module) {
  codes_ = &module.expect("weight", {DType::I8}, {-1, -1});
  rows_ = codes_->shape[0];
  cols_ = codes_->shape[1];
  if (rows_ < 1 || cols_ < 1) module.refuse(fmt::format("{}: empty: {}", codes_->name, codes_->describe()));
  row_largest_ = &module.expect("SCB", {DType::F32}, {rows_});
  if (const StoredTensor* layout = module.find("weight_format")) {
    if (layout->dtype != DType::U8 || layout->elements() != 1) {
      module.refuse(fmt::format("{}: expected one U8, found {}", layout->name, layout->describe()));
    }
    const int code = read_elements<uint8_t>(module.checkpoint(), *layout)[0];
    if (code != 0) {
      module.refuse(
          fmt::format("{} is {}: expected 0, row-major. The others are tiles of old GPU kernels; have the "
                      "version of bitsandbytes that wrote them save the model row-major",
                      layout->name, code));
    }
  }
  parts_ = parts_of(module, kRoles);
  if (module.kind() == Module::Kind::embedding) return;
  input_quant_.element = ActivationQuant::Element::integer;
  input_quant_.scope = ActivationQuant::Scope::call;
  input_quant_.outlier_threshold = module.config().parsed<Int8Config>().threshold;
}

void BnbInt8::decode(int64_t begin, int64_t end, float* out) const {
  const auto largest = read_values(module_.checkpoint(), *row_largest_, DType::F32, begin, end - begin);
  require_finite(module_, *row_largest_, largest, begin);
  for_rows(module_.checkpoint(), *codes_, cols_, begin, end, [&](int64_t row, const uint8_t* codes) {
    float* w = out + (row - begin) * cols_;
    const float scale = largest[row - begin] / 127;
    for (int64_t c = 0; c < cols_; ++c) w[c] = static_cast<float>(static_cast<int8_t>(codes[c])) * scale;
  });
}

}  // namespace assay

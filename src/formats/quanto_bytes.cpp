#include "formats/quanto_bytes.h"

#include "base/error.h"
#include "checkpoint/printable.h"

namespace assay {

namespace {

struct Type {
  std::string_view name;
  DType dtype;
  RowCodes (*codes)();
};
constexpr Type kTypes[] = {
    {"qint8", DType::I8, row_codes::int8},
    {"qfloat8", DType::F8_E4M3, row_codes::e4m3},
    {"qfloat8_e4m3fn", DType::F8_E4M3, row_codes::e4m3},
    {"qfloat8_e5m2", DType::F8_E5M2, row_codes::e5m2},
};

}  // namespace

QuantoBytes::QuantoBytes(const Module& module) : CodedWeight(module, "") {
  const std::string& name = module.config().parsed<quanto::Config>().weights_of(module);
  for (const Type& type : kTypes) {
    if (type.name == name) set_codes(module.expect("weight._data", {type.dtype}, {-1, -1}), type.codes());
  }
  if (!codes_) {
    module.refuse(
        fmt::format("weights of type {} are not stored like this; qint8, qfloat8, qfloat8_e4m3fn and "
                    "qfloat8_e5m2 are",
                    printable(name)));
  }
  format_ = fmt::format("{}/{}", quanto::kMethod, name);
  set_float_scales(module.at("weight._scale"), 1, cols_);
  parts_ = quanto::parts_of(module);
  const auto& config = module.config().parsed<quanto::Config>();
  if (module.kind() == Module::Kind::embedding) return;
  input_quant_ = declared_quant([&] { return config.activations_of(module, "input_scale"); });
  output_quant_ = declared_quant([&] { return config.activations_of(module, "output_scale"); });
}

}  // namespace assay

#include "formats/modelopt_fp8.h"

#include "base/error.h"

namespace assay {

ModeloptFp8::ModeloptFp8(const Module& module) : Weight(module, kInfo.name) {
  set_codes(module.expect("weight", {DType::F8_E4M3}, {-1, -1}), row_codes::e4m3());
  const StoredTensor& scale = module.at("weight_scale");
  ActivationQuant input;
  if (algorithm() == "FP8") {
    set_float_scales(scale, rows_, cols_);
    if (const StoredTensor* stored = module.find("input_scale")) input = static_e4m3(module, *stored);
  } else if (algorithm() == "FP8_PER_CHANNEL_PER_TOKEN") {
    set_float_scales(scale, 1, cols_);
    input.element = ActivationQuant::Element::e4m3;
  } else if (algorithm() == "FP8_PB_WO") {
    set_float_scales(scale, 128, 128);
  } else {
    refuse_algorithm();
  }
  finish(std::move(input));
}

}  // namespace assay

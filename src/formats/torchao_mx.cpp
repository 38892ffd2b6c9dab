#include "formats/torchao_mx.h"

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace assay {

namespace {

/// `element`: "fp6_e2m3" and "fp6_e3m2" take a byte for each code, which the types of safetensors cannot tell.
RowCodes codes_of(const Module& module, const StoredTensor& tensor, const std::string& element) {
  switch (tensor.dtype) {
    case DType::F8_E4M3:
      return row_codes::e4m3();
    case DType::F8_E5M2:
      return row_codes::e5m2();
    default:
      module.expect("_weight_qdata", {DType::F8_E4M3, DType::F8_E5M2, DType::U8}, {-1, -1});
      if (element == "fp6_e2m3") return row_codes::e2m3_bytes();
      if (element == "fp6_e3m2") return row_codes::e3m2_bytes();
      return row_codes::e2m1();
  }
}

}  // namespace

TorchaoMx::TorchaoMx(const Module& module) : Weight(module) {
  const StoredTensor& codes = part("qdata");
  const Json* element = data().find("elem_dtype");
  set_codes(codes, codes_of(module, codes, element && element->is_string() ? element->get<std::string>() : ""));
  set_row_scales(DType::F8_E8M0);
  finish();
}

}  // namespace assay

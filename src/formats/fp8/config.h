#pragma once
#include <cstdint>

#include "formats/format.h"

namespace assay::fp8 {

inline constexpr const char* kMethod = "fp8";

/// The config of `quant_method: "fp8"` (DeepSeek, transformers, vLLM).
struct Config {
  bool has_blocks = false;
  int64_t block_rows = 0, block_cols = 0;
  bool is_static = false;
  bool power_of_two_scales = false;  // "ue8m0"

  explicit Config(const QuantConfig& config);
};

inline bool stores_e4m3(const Module& module) {
  if (module.config().method() != kMethod) return false;
  const StoredTensor* weight = module.find("weight");
  if (!weight) weight = module.parameter();
  return weight && weight->dtype == DType::F8_E4M3;
}

/// Every tensor of a module of this method with its role, also where the module is a stacked parameter.
std::vector<StoredPart> parts_of(const Module& module);

}  // namespace assay::fp8

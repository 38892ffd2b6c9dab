#pragma once
#include <map>
#include <string>

#include "formats/format.h"

namespace assay::quanto {

inline constexpr const char* kMethod = "quanto";

/// quanto_qmap.json: what optimum-quanto did to each module.
class Config {
 public:
  explicit Config(const QuantConfig& config);

  /// "qint4", "qfloat8_e5m2", ...; refuses a module that is not listed.
  const std::string& weights_of(const Module& module) const;
  /// Quantization under one static scale, "input_scale" or "output_scale" of the module:
  /// x^ = code(clamp(x / scale)) * scale.
  ActivationQuant activations_of(const Module& module, const char* scale) const;

 private:
  struct Entry {
    std::string weights, activations;
  };
  std::map<std::string, Entry, std::less<>> modules_;
};

/// Every tensor of a module with its role.
std::vector<StoredPart> parts_of(const Module& module);

}  // namespace assay::quanto

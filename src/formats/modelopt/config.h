#pragma once
#include <map>
#include <string>

#include "formats/format.h"
#include "formats/shared/coded_weight.h"

namespace assay::modelopt {

inline constexpr const char* kMethod = "modelopt";

/// What NVIDIA ModelOpt declares, in config.json (flat) or hf_quant_config.json (under "quantization").
class Config {
 public:
  explicit Config(const QuantConfig& config);

  /// "NVFP4", "FP8", ...: of the module's own entry in a mixed recipe, or else of the checkpoint.
  const std::string& algorithm_of(const std::string& module) const;
  /// "FP8", ...; empty: the KV cache is not quantized.
  const std::string& kv_cache() const { return kv_cache_; }

 private:
  std::string algorithm_;
  std::map<std::string, std::string, std::less<>> layers_;
  std::string kv_cache_;
};

/// Whether a module of this tool stores "weight" and "weight_scale" with such types.
bool stores(const Module& module, DType weight, std::initializer_list<DType> scale);

/// What the formats of this tool have in common: the scale that multiplies a layer's input before everything else
/// (`pre_quant_scale`) is taken into the weights, whose columns it multiplies just as well.
class Weight : public CodedWeight {
 protected:
  Weight(const Module& module, const char* variant);

  const std::string& algorithm() const;
  [[noreturn]] void refuse_algorithm() const;
  /// To be called last: parts, pre_quant_scale, and the quantizer of inputs as the quantizer sees them.
  void finish(ActivationQuant input = {});
};

AttentionQuant attention_quant(const Module& attention);

}  // namespace assay::modelopt

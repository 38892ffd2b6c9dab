#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/format.h"
#include "formats/shared/coded_weight.h"

namespace assay::quark {

inline constexpr const char* kMethod = "quark";

/// How a tensor of a layer is quantized.
struct TensorScheme {
  std::string where;  // for messages
  std::string dtype;  // "fp8_e4m3", "int4", "uint4", "fp4", ...
  std::string qscheme;
  int64_t group_size = 0;  // 0: none
  bool is_dynamic = false;
  std::string scale_format;            // "e8m0", "float", ...
  std::string scale_calculation_mode;  // "even", ...

  explicit TensorScheme(const JsonObject& json);
};

struct LayerScheme {
  std::optional<TensorScheme> weight, input, output;

  LayerScheme() = default;
  explicit LayerScheme(const JsonObject& json);
};

/// The config of AMD Quark.
class Config {
 public:
  explicit Config(const QuantConfig& config);

  /// A name pattern beats the class, which beats the global scheme. With a star a pattern is a wildcard; without one it
  /// may stand anywhere in the name.
  const LayerScheme& scheme_of(const std::string& module) const;
  /// Where the codes of a packed word go: reorder, or one after the other.
  bool reorder() const { return reorder_; }

 private:
  std::vector<std::pair<std::string, LayerScheme>> layers_;
  std::optional<LayerScheme> linear_;
  LayerScheme global_;
  bool reorder_ = true;
};

/// Whether a module of this tool stores "weight" and "weight_scale" with such types.
bool stores(const Module& module, std::initializer_list<DType> weight, std::initializer_list<DType> scale);

class Weight : public CodedWeight {
 protected:
  Weight(const Module& module, const char* variant);

  /// Refuses unless the config says one of these.
  const TensorScheme& require_dtype(std::initializer_list<std::string_view> dtypes) const;
  /// To be called last: parts and activations.
  void finish();

 private:
  ActivationQuant input_quant_of(const TensorScheme& scheme) const;
};

AttentionQuant attention_quant(const Module& attention);

}  // namespace assay::quark

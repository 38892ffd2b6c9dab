#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "formats/format.h"
#include "formats/shared/column_packed.h"
#include "formats/shared/pattern.h"

namespace assay::autoround {

inline constexpr const char* kMethod = "auto-round";

/// How the config quantizes a module.
struct Scheme {
  int64_t bits = 4;
  int64_t group_size = 128;  // -1: the whole row
  int64_t block_rows = 1;    // of a group_size that is a pair
  std::string data_type = "int";
  int64_t act_bits = 16;  // 16 and more: not quantized
  int64_t act_group_size = -1;
  std::string act_data_type;
  bool act_dynamic = true;
};

/// The parsed config of an AutoRound checkpoint.
class Config {
 public:
  explicit Config(const QuantConfig& config);

  const std::string& where() const { return where_; }
  /// "auto_round:auto_gptq", ...: which tensors hold a weight, together with the data type.
  const std::string& packing() const { return packing_; }

  /// What "extra_config" says of the module: its exact name before patterns, which may be found anywhere in the name;
  /// otherwise what holds for all. Never empty; several when several patterns fit, since their order is lost.
  std::vector<Scheme> schemes_of(const std::string& module) const;
  Scheme scheme_of(const std::string& module) const { return schemes_of(module).front(); }

 private:
  std::string where_;
  std::string packing_;
  Scheme scheme_;
  std::map<std::string, Scheme> names_;
  std::vector<std::pair<Pattern, Scheme>> patterns_;
};

inline const Config& config_of(const Module& module) {
  return module.config().parsed<Config>();
}

/// The declared quantization of the inputs of a layer of `cols` columns. Refuses what cannot be emulated.
ActivationQuant input_quant(const Module& module, const Scheme& scheme, int64_t cols);

/// Every stored tensor of a module of a floating storage, with its role.
std::vector<StoredPart> parts_of(const Module& module);

}  // namespace assay::autoround

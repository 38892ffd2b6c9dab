#pragma once
#include <string>
#include <utility>
#include <vector>

#include "formats/format.h"
#include "formats/shared/column_packed.h"
#include "formats/shared/pattern.h"

namespace assay::gptq {

inline constexpr const char* kMethod = "gptq";

/// The parsed config of a GPTQ checkpoint, from config.json or an old quantize_config.json.
class Config {
 public:
  explicit Config(const QuantConfig& config);

  /// "gptq" (zero points minus one), "gptq_v2", "gptq_p" (planar) or "marlin", which has other tensors.
  const std::string& format() const { return format_; }
  /// Where no override says otherwise; -1: the whole row.
  int64_t bits() const { return scheme_.bits; }
  int64_t group_size() const { return scheme_.group_size.value_or(-1); }
  ColumnPacked::Layout layout_of(const std::string& module) const;

 private:
  std::string where_;
  std::string format_;
  ColumnPacked::Scheme scheme_;
  std::vector<std::pair<Pattern, ColumnPacked::Scheme>> overrides_;  // of "dynamic"
};

}  // namespace assay::gptq

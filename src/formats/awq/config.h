#pragma once
#include <optional>
#include <string>

#include "formats/format.h"

namespace assay::awq {

inline constexpr const char* kMethod = "awq";

/// The parsed config of an AWQ checkpoint, also of an old quant_config.json (w_bit, q_group_size). Which layout a
/// module has is left to its tensors: `version` is not always true.
struct Config {
  explicit Config(const QuantConfig& config);

  std::string where;  // for messages
  int64_t bits = 4;
  int64_t group_size = 128;  // -1: the whole row
  bool marlin = false;       // the only layout without zero points
};

/// The group size in columns. Refuses one that does not cut `cols` columns into `groups`, as `scales` has them.
int64_t checked_group_size(const Module& module, int64_t group_size, int64_t cols, int64_t groups,
                           const StoredTensor& scales);

/// Every stored tensor of the module with its role.
std::vector<StoredPart> parts_of(const Module& module);

/// Groups that a row of the gemv layouts has room for: a word of eight 4-bit zero points, or two or four such words
/// where groups are small.
int64_t padded_groups(int64_t groups, int64_t group_size);

}  // namespace assay::awq

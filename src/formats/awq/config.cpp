#include "formats/awq/config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/shared/bits.h"
#include "formats/shared/parts.h"

namespace assay::awq {

Config::Config(const QuantConfig& config) : where(config.where()) {
  const JsonObject json(config.json(), where);
  const char* bits_key = json.has("w_bit") ? "w_bit" : "bits";
  bits = json.integer_or(bits_key, bits);
  if (bits < 2 || bits > 8) json.refuse(bits_key, "2 to 8");
  const char* group_key = json.has("q_group_size") ? "q_group_size" : "group_size";
  group_size = json.integer_or(group_key, group_size);
  if (group_size < -1 || group_size == 0) json.refuse(group_key, "a positive number, or -1 for whole rows");
  const Json* version = json.find("version");
  marlin = version && *version == "marlin";
}

int64_t checked_group_size(const Module& module, int64_t group_size, int64_t cols, int64_t groups,
                           const StoredTensor& scales) {
  const int64_t size = group_size == -1 ? cols : std::min(group_size, cols);
  if (size > 0 && ceil_div(cols, size) == groups) return size;
  module.refuse(fmt::format("{}: expected {} groups of {} for {} columns, found {}", scales.name,
                            size > 0 ? ceil_div(cols, size) : 0, group_size, cols, scales.describe()));
}

std::vector<StoredPart> parts_of(const Module& module) {
  static constexpr NamedRole kRoles[] = {{"qweight", Role::codes},
                                         {"qzeros", Role::zero_points},
                                         {"scaled_zeros", Role::zero_points},
                                         {"scales", Role::scales},
                                         {"bias", Role::bias}};
  return assay::parts_of(module, kRoles);
}

int64_t padded_groups(int64_t groups, int64_t group_size) {
  const int64_t words = group_size >= 128 ? 1 : group_size == 64 ? 2 : 4;
  return ceil_div(ceil_div(groups, 8), words) * words * 8;
}

}  // namespace assay::awq

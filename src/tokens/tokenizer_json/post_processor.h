#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace assay::text {

/// The special tokens around a text: all that a post-processor does to a single sequence.
struct Affixes {
  std::vector<int32_t> before, after;
};

/// The "post_processor" section; may be null. Ids are checked against `id_limit`.
Affixes make_affixes(const Json* section, const std::string& where, int64_t id_limit);

}  // namespace assay::text

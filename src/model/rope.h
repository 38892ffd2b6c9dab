#pragma once
#include <cstdint>
#include <vector>

#include "model/spec.h"

namespace assay {

/// cos and sin for positions 0..length-1, [length, dims/2] row-major, the attention factor multiplied in.
struct RopeTable {
  int64_t length = 0, pairs = 0;
  bool interleaved = false;
  std::vector<float> cos, sin;
};

/// Frequencies and angles are rounded to float32 on the way, as every runtime does. `length` is the length of the
/// sequence being run, on which dynamic and longrope depend.
RopeTable make_rope_table(const RopeSpec& spec, int64_t length);

/// What yarn multiplies attention by, for a given mscale.
double yarn_magnitude(const RopeSpec& rope, double mscale);

}  // namespace assay

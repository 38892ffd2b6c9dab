#pragma once

namespace assay::gguf {

/// What the nibbles of IQ4_NL and IQ4_XS mean.
inline constexpr float kNonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// Twice the value of each E2M1 code, -0 taken for 0.
inline constexpr float kTwiceE2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace assay::gguf

#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace assay {

/// How a checkpoint quantizes activations at run time; emulated as quantize-dequantize in float32, value for value as
/// the format's own library does it.
struct ActivationQuant {
  enum class Element : uint8_t {
    none,
    integer,
    e4m3,
    e5m2,
    e2m1,
    f16,  ///< without any scale, as bf16
    bf16,
    other,  ///< declared, but nothing that is known: see `refusal`
  };
  enum class Scope : uint8_t {
    tensor,  ///< static scale(s) from the checkpoint
    token,   ///< one dynamic scale a row
    group,   ///< one dynamic scale for each group_size columns
    call,    ///< one dynamic scale a row, and columns that a whole call of the layer leaves as they are
  };
  enum class ScaleRule : uint8_t {
    plain,           ///< float32 scale
    nvfp4,           ///< scale rounded to E4M3 under a static global scale, a divisor
    nvfp4_multiply,  ///< the same, the global scale a multiplier
    nvfp4_inverse,   ///< as nvfp4_multiply, the scale at least 2^-6, values multiplied by its inverse
    mx,              ///< scale a power of two, the largest magnitude rounded to one first
    mx_even,         ///< the same, rounded to the precision of the element type first
    mx_floor,        ///< scale a power of two, the one below the largest magnitude
    mx_ceil,         ///< the one that is not below it
    e5m3,            ///< scale rounded to an unsigned float of 5 bits of exponent, 3 of mantissa
    power_of_two,    ///< scale the next power of two
    half,            ///< float32 scale, which is rounded to f16 for the way back
  };
  /// How a value meets its scale.
  enum class Arithmetic : uint8_t {
    divide,      ///< x / scale, back by * scale
    reciprocal,  ///< x * (1 / scale), back by * scale
    inverse,     ///< the scale is top / amax: x * scale, back by / scale
  };

  Element element = Element::none;
  Scope scope = Scope::token;
  ScaleRule scale_rule = ScaleRule::plain;
  int bits = 8;
  bool symmetric = true;
  int64_t group_size = 0;
  Arithmetic arithmetic = Arithmetic::divide;
  float top = 0;                ///< dynamic scales are amax / top; 0: half the range of the codes
  float least_amax = 0;         ///< smaller magnitudes (asymmetric: spreads) count as this; 0: only zeros are replaced
  float most_amax = 0;          ///< larger magnitudes count as this; 0: no limit
  float outlier_threshold = 0;  ///< call: magnitude that makes an outlier of a column; 0: none is
  float global_scale = 1;       ///< nvfp4, nvfp4_multiply
  std::vector<float> scale;     ///< static: one value, or one for each of equal runs of columns (heads)
  std::vector<float> zero_point;  ///< same length as scale, or empty
  /// The quantizer sees each column times this and its result is divided by it again; empty: as it is.
  std::vector<float> column_scale;

  /// Element::other: why it cannot be emulated, for who wants to.
  std::string refusal;

  bool active() const { return element != Element::none; }
  bool operator==(const ActivationQuant&) const = default;
};

/// The same, for a run that emulates it. Error when that cannot be.
const ActivationQuant& emulated(const ActivationQuant& quant);

/// Quantizes and dequantizes one row of `cols` values in place. See outliers.h for Scope::call.
void quantize_activations(const ActivationQuant& quant, float* row, int64_t cols);

}  // namespace assay

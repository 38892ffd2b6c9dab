#pragma once
#include <array>
#include <cstdint>

#include "formats/shared/host_device.h"

// Small floats by value and back.
//
//            sign  exponent  mantissa  bias  largest   special codes
//   F16        1       5        10      15     65504   exponent 31: infinity, NaN
//   BF16       1       8         7     127   3.4e38    exponent 255: infinity, NaN
//   E5M2       1       5         2      15     57344   exponent 31: infinity, NaN
//   E4M3       1       4         3       7       448   0x7F, 0xFF: NaN; no infinity
//   E2M3       1       2         3       1       7.5   none
//   E2M1       1       2         1       1         6   none
//   E8M0       0       8         0     127    2^127    255: NaN; neither sign nor zero
namespace assay {

ASSAY_HD constexpr float float_of_bits(uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}
ASSAY_HD constexpr uint32_t bits_of_float(float value) {
  return __builtin_bit_cast(uint32_t, value);
}

inline constexpr uint32_t kSignBit = 0x80000000u;
inline constexpr uint32_t kExponentBits = 0x7F800000u;

/// Exponent and mantissa moved to their places in a float32 that are `2^(127 - bias)` too small: one exact
/// multiplication gives the value of normal and subnormal codes alike. Ignores special codes.
template <int kExponent, int kMantissa>
ASSAY_HD constexpr float minifloat(uint32_t code) {
  constexpr int kBias = (1 << (kExponent - 1)) - 1;
  constexpr uint32_t kMagnitude = (1u << (kExponent + kMantissa)) - 1;
  constexpr float kScale = float_of_bits(static_cast<uint32_t>(254 - kBias) << 23);
  const float magnitude = float_of_bits((code & kMagnitude) << (23 - kMantissa)) * kScale;
  return float_of_bits(bits_of_float(magnitude) | (code >> (kExponent + kMantissa) & 1) << 31);
}

ASSAY_HD constexpr float float_of_bf16(uint16_t code) {
  return float_of_bits(static_cast<uint32_t>(code) << 16);
}
ASSAY_HD constexpr float float_of_f16(uint16_t code) {
  const uint32_t special = (code & 0x7C00u) == 0x7C00u ? kExponentBits : 0;
  return float_of_bits(bits_of_float(minifloat<5, 10>(code)) | special);
}
ASSAY_HD constexpr float float_of_e5m2(uint8_t code) {
  return float_of_f16(static_cast<uint16_t>(code << 8));
}
ASSAY_HD constexpr float float_of_e4m3(uint8_t code) {
  const uint32_t special = (code & 0x7Fu) == 0x7Fu ? 0x7FC00000u : 0;
  return float_of_bits(bits_of_float(minifloat<4, 3>(code)) | special);
}
ASSAY_HD constexpr float float_of_e2m3(uint8_t code) {
  return minifloat<2, 3>(code);
}
ASSAY_HD constexpr float float_of_e2m1(uint8_t code) {
  return minifloat<2, 1>(code);
}
/// Code 0 is 2^-127, a subnormal float32; 255 is NaN.
ASSAY_HD constexpr float float_of_e8m0(uint8_t code) {
  if (code == 0) return float_of_bits(0x00400000u);
  return float_of_bits(code == 255 ? 0x7FC00000u : static_cast<uint32_t>(code) << 23);
}

inline constexpr float kLargestE4m3 = 448;
inline constexpr float kLargestE5m2 = 57344;
inline constexpr float kLargestE2m1 = 6;

/// The value nearest to `value` (ties to even) with `kMantissa` mantissa bits and exponents from `kMinExponent` up, the
/// lowest shared by the subnormals. The sign of a zero stays. Not clamped to a largest value.
template <int kMinExponent, int kMantissa>
ASSAY_HD inline float round_to_minifloat(float value) {
  constexpr int32_t kLowest = (127 + kMinExponent) << 23;
  constexpr float kShift = 1.5f * float_of_bits(static_cast<uint32_t>(127 + 23 - kMantissa) << 23);
  const uint32_t sign = bits_of_float(value) & kSignBit;
  const float magnitude = float_of_bits(bits_of_float(value) ^ sign);
  // The unit of the last place is 2^(exponent - kMantissa). A number 1.5 * 2^23 times as large has that unit as its own
  // last place, so adding it rounds, and subtracting it again is exact.
  const auto own = static_cast<int32_t>(bits_of_float(value) & kExponentBits);
  const float shift = float_of_bits(static_cast<uint32_t>(own > kLowest ? own : kLowest)) * kShift;
  return float_of_bits(bits_of_float((magnitude + shift) - shift) | sign);
}

/// Nearest, ties to even, for |value| up to kLargestE4m3, kLargestE5m2 or kLargestE2m1; larger values must be clamped
/// before.
ASSAY_HD inline float round_to_e4m3(float value) {
  return round_to_minifloat<-6, 3>(value);
}
ASSAY_HD inline float round_to_e5m2(float value) {
  return round_to_minifloat<-14, 2>(value);
}
ASSAY_HD inline float round_to_e2m1(float value) {
  return round_to_minifloat<0, 1>(value);
}
/// Nearest float16, ties to even, as a float32; infinite from 65520 up.
ASSAY_HD inline float round_to_f16(float value) {
  const uint32_t sign = bits_of_float(value) & kSignBit;
  const bool overflows = float_of_bits(bits_of_float(value) ^ sign) >= 65520;
  return overflows ? float_of_bits(kExponentBits | sign) : round_to_minifloat<-14, 10>(value);
}
/// The code nearest to a value, ties to even. A NaN stays one.
ASSAY_HD inline uint16_t bits_of_f16(float value) {
  const auto sign = static_cast<uint16_t>(bits_of_float(value) >> 16 & 0x8000u);
  if (value != value) return sign | 0x7E00u;
  const float rounded = float_of_bits(bits_of_float(round_to_f16(value)) & ~kSignBit);
  if (rounded > 65504) return sign | 0x7C00u;
  constexpr float kScale = float_of_bits(15u << 23);  // 2^-112: moves the exponent's bias from 127 to 15
  return sign | static_cast<uint16_t>(bits_of_float(rounded * kScale) >> 13);
}
ASSAY_HD inline uint16_t bits_of_bf16(float value) {
  const uint32_t bits = bits_of_float(value);
  if (value != value) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1)) >> 16);
}
/// Nearest integer, ties to even, for |value| < 2^22. The sign of a zero stays.
ASSAY_HD inline float round_to_integer(float value) {
  constexpr float kShift = 12582912;  // 1.5 * 2^23
  const uint32_t sign = bits_of_float(value) & kSignBit;
  return float_of_bits(bits_of_float((float_of_bits(bits_of_float(value) ^ sign) + kShift) - kShift) | sign);
}

namespace tables {
template <class Decode>
constexpr std::array<float, 256> of_bytes(Decode decode) {
  std::array<float, 256> values{};
  for (int code = 0; code < 256; ++code) values[code] = decode(static_cast<uint8_t>(code));
  return values;
}
inline constexpr std::array<float, 256> kE4m3 = of_bytes(float_of_e4m3);
inline constexpr std::array<float, 256> kE8m0 = of_bytes(float_of_e8m0);
inline constexpr std::array<float, 256> kE2m3 = of_bytes(float_of_e2m3);

/// Two E2M1 values a byte, the low nibble first.
struct Pair {
  float low, high;
};
inline constexpr std::array<Pair, 256> kE2m1Pairs = [] {
  std::array<Pair, 256> pairs{};
  for (int byte = 0; byte < 256; ++byte) {
    pairs[byte] = {float_of_e2m1(static_cast<uint8_t>(byte & 15)), float_of_e2m1(static_cast<uint8_t>(byte >> 4))};
  }
  return pairs;
}();
}  // namespace tables

}  // namespace assay

#include "formats/shared/minifloat.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "formats/shared/bits.h"
#include "formats/shared/reading.h"
#include "formats/shared/unpack.h"

namespace assay {
namespace {

/// The value of a code by the definition of the format; special codes excepted.
double by_definition(int code, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int mantissa = code & ((1 << mantissa_bits) - 1);
  const int exponent = code >> mantissa_bits & ((1 << exponent_bits) - 1);
  const double sign = code >> (exponent_bits + mantissa_bits) & 1 ? -1 : 1;
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  return exponent == 0 ? sign * std::ldexp(fraction, 1 - bias) : sign * std::ldexp(1 + fraction, exponent - bias);
}

void expect_same(float found, double expected, int code) {
  EXPECT_EQ(found, expected) << "code " << code;
  EXPECT_EQ(std::signbit(found), std::signbit(expected)) << "code " << code;
}

TEST(Minifloat, DecodesEveryE4m3Code) {
  for (int code = 0; code < 256; ++code) {
    if ((code & 127) == 127) {
      EXPECT_TRUE(std::isnan(float_of_e4m3(code)));
      EXPECT_TRUE(std::isnan(tables::kE4m3[code]));
    } else {
      expect_same(float_of_e4m3(code), by_definition(code, 4, 3), code);
      expect_same(tables::kE4m3[code], by_definition(code, 4, 3), code);
    }
  }
  EXPECT_EQ(float_of_e4m3(0x7E), kLargestE4m3);
}

TEST(Minifloat, DecodesEveryE5m2Code) {
  for (int code = 0; code < 256; ++code) {
    const float value = float_of_e5m2(code);
    if ((code & 124) != 124) {
      expect_same(value, by_definition(code, 5, 2), code);
    } else if (code & 3) {
      EXPECT_TRUE(std::isnan(value));
    } else {
      EXPECT_EQ(value, code & 128 ? -INFINITY : INFINITY);
    }
  }
}

TEST(Minifloat, DecodesEveryF16Code) {
  for (int code = 0; code < 65536; ++code) {
    const float value = float_of_f16(code);
    if ((code & 0x7C00) != 0x7C00) {
      expect_same(value, by_definition(code, 5, 10), code);
    } else if (code & 0x3FF) {
      EXPECT_TRUE(std::isnan(value));
    } else {
      EXPECT_EQ(value, code & 0x8000 ? -INFINITY : INFINITY);
    }
  }
}

TEST(Minifloat, DecodesEveryE2m3AndE2m1Code) {
  for (int code = 0; code < 64; ++code) {
    expect_same(float_of_e2m3(code), by_definition(code, 2, 3), code);
    expect_same(tables::kE2m3[code], by_definition(code, 2, 3), code);
  }
  const double magnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (int code = 0; code < 16; ++code) {
    expect_same(float_of_e2m1(code), code & 8 ? -magnitudes[code & 7] : magnitudes[code & 7], code);
  }
}

TEST(Minifloat, DecodesEveryE8m0Code) {
  for (int code = 0; code < 255; ++code) {
    EXPECT_EQ(float_of_e8m0(code), std::ldexp(1.0, code - 127));
    EXPECT_EQ(tables::kE8m0[code], std::ldexp(1.0, code - 127));
  }
  EXPECT_TRUE(std::isnan(float_of_e8m0(255)));
}

TEST(Minifloat, ReadsTheEvenColumnFromTheLowNibble) {
  const uint8_t codes[] = {0x1F, 0x82};
  float values[4];
  unpack_e2m1(codes, 4, values);
  EXPECT_EQ(values[0], -6);
  EXPECT_EQ(values[1], 0.5f);
  EXPECT_EQ(values[2], 1);
  EXPECT_EQ(values[3], 0);
  EXPECT_TRUE(std::signbit(values[3]));
}

/// The grid value nearest to v; of two equally near ones the one with the even code.
float nearest_by_search(float v, float (*decode)(uint8_t), int codes) {
  int best = 0;
  for (int code = 1; code < codes; ++code) {
    const double distance = std::abs(double{decode(code)} - std::abs(v));
    const double best_distance = std::abs(double{decode(best)} - std::abs(v));
    if (distance < best_distance || (distance == best_distance && code % 2 == 0)) best = code;
  }
  return std::copysign(decode(best), v);
}

TEST(Minifloat, RoundsToTheNearestEvenCode) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> exponent(-12, 9), fraction(-2, 2);
  for (int i = 0; i < 20000; ++i) {
    const float v = std::clamp(std::ldexp(fraction(random), static_cast<int>(exponent(random))), -448.0f, 448.0f);
    EXPECT_EQ(round_to_e4m3(v), nearest_by_search(v, float_of_e4m3, 127)) << v;
    const float w = std::clamp(v, -6.0f, 6.0f);
    EXPECT_EQ(round_to_e2m1(w), nearest_by_search(w, float_of_e2m1, 8)) << w;
    EXPECT_EQ(round_to_integer(v), std::nearbyint(v)) << v;
  }
}

TEST(Minifloat, RoundsTiesToEvenAndKeepsGridValues) {
  for (int code = 0; code < 126; ++code) {
    const float value = float_of_e4m3(code), tie = (value + float_of_e4m3(code + 1)) / 2;
    EXPECT_EQ(round_to_e4m3(value), value);
    EXPECT_EQ(round_to_e4m3(tie), float_of_e4m3(code + code % 2));
    EXPECT_EQ(round_to_e4m3(-tie), -float_of_e4m3(code + code % 2));
  }
  for (int code = 0; code < 7; ++code) {
    const float value = float_of_e2m1(code), tie = (value + float_of_e2m1(code + 1)) / 2;
    EXPECT_EQ(round_to_e2m1(value), value);
    EXPECT_EQ(round_to_e2m1(tie), float_of_e2m1(code + code % 2));
  }
}

TEST(Minifloat, KeepsNanAndTheSignOfZero) {
  EXPECT_TRUE(std::isnan(round_to_e4m3(NAN)));
  EXPECT_TRUE(std::isnan(round_to_e2m1(NAN)));
  EXPECT_TRUE(std::isnan(round_to_integer(NAN)));
  EXPECT_TRUE(std::signbit(round_to_e4m3(-1e-9f)));
  EXPECT_TRUE(std::signbit(round_to_integer(-0.4f)));
}

template <int kBits>
void expect_unpacks() {
  std::mt19937 random(kBits);
  for (int64_t count : {1, 7, 8, 31, 32, 33, 100, 257}) {
    std::vector<uint32_t> fields(count), stream(ceil_div(count * kBits, 32)), words(ceil_div(count, 32 / kBits));
    for (int64_t i = 0; i < count; ++i) {
      fields[i] = random() & ((1u << kBits) - 1);
      for (int bit = 0; bit < kBits; ++bit) {
        const int64_t at = i * kBits + bit;
        stream[at / 32] |= (fields[i] >> bit & 1) << at % 32;
      }
      words[i / (32 / kBits)] |= fields[i] << i % (32 / kBits) * kBits;
    }
    std::vector<float> from_stream(count), from_words(count);
    unpack_stream<kBits>(stream.data(), stream.size(), count, from_stream.data());
    unpack_words<kBits>(words.data(), words.size(), count, from_words.data());
    for (int64_t i = 0; i < count; ++i) {
      const float expected = static_cast<float>(fields[i]) - (1 << (kBits - 1));
      EXPECT_EQ(from_stream[i], expected) << kBits << " bits, field " << i << " of " << count;
      EXPECT_EQ(from_words[i], expected) << kBits << " bits, field " << i << " of " << count;
      EXPECT_EQ(stream_field(stream.data(), i, kBits), fields[i]);
    }
  }
}

TEST(Bits, UnpacksFieldsOfEveryWidthFromStreamsAndWords) {
  expect_unpacks<1>();
  expect_unpacks<2>();
  expect_unpacks<3>();
  expect_unpacks<4>();
  expect_unpacks<5>();
  expect_unpacks<6>();
  expect_unpacks<7>();
  expect_unpacks<8>();
}

TEST(Bits, FollowsAStreamDownAColumn) {
  // Two columns of a [3, 2] matrix of words; 5-bit fields 6 and 12 straddle.
  uint32_t words[6] = {};
  for (int i = 0; i < 19; ++i) {
    for (int bit = 0; bit < 5; ++bit) {
      words[(i * 5 + bit) / 32 * 2] |= uint32_t((i + 3) >> bit & 1) << (i * 5 + bit) % 32;
      words[(i * 5 + bit) / 32 * 2 + 1] |= uint32_t((31 - i) >> bit & 1) << (i * 5 + bit) % 32;
    }
  }
  for (int i = 0; i < 19; ++i) {
    EXPECT_EQ(stream_field(words, i, 5, 2), uint32_t(i + 3));
    EXPECT_EQ(stream_field(words + 1, i, 5, 2), uint32_t(31 - i));
  }
}

}  // namespace
}  // namespace assay

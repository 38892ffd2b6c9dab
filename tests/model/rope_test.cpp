#include "model/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/error.h"
#include "model/arch/arch.h"
#include "model/config.h"
#include "tiny_checkpoint.h"

namespace assay {
namespace {

using Type = RopeSpec::Type;
using Frequency = std::function<long double(int64_t pair)>;

constexpr long double kPi = 3.14159265358979323846264338327950288L;

/// Compares with cos and sin of position * frequency(pair), times `factor`. An angle is rounded to float32 twice (the
/// frequency, the product) and the frequency itself a few times more.
void expect_table(const RopeSpec& spec, int64_t length, const Frequency& frequency, long double factor = 1) {
  const RopeTable table = make_rope_table(spec, length);
  ASSERT_EQ(table.length, length);
  ASSERT_EQ(table.pairs, spec.dims / 2);
  ASSERT_EQ(table.cos.size(), static_cast<size_t>(length * table.pairs));
  ASSERT_EQ(table.sin.size(), table.cos.size());
  for (int64_t position = 0; position < length; ++position) {
    for (int64_t pair = 0; pair < table.pairs; ++pair) {
      const long double angle = position * frequency(pair);
      const double tolerance = 3e-7 + 6e-7 * static_cast<double>(angle);
      const auto at = static_cast<size_t>(position * table.pairs + pair);
      ASSERT_NEAR(table.cos[at], static_cast<double>(factor * std::cos(angle)), tolerance) << position << " " << pair;
      ASSERT_NEAR(table.sin[at], static_cast<double>(factor * std::sin(angle)), tolerance) << position << " " << pair;
    }
  }
}

RopeSpec spec_of(Type type, int64_t dims, double theta) {
  RopeSpec spec;
  spec.type = type;
  spec.dims = dims;
  spec.theta = theta;
  spec.factor = 4;
  spec.max_positions = 128;
  spec.original_max_positions = 32;
  return spec;
}

/// theta^(-2i/d), as exp of a logarithm.
Frequency plain(long double theta, int64_t dims) {
  return [=](int64_t pair) { return std::exp(-std::log(theta) * 2 * pair / dims); };
}

TEST(Rope, PlainFrequenciesFallGeometrically) {
  const RopeSpec spec = spec_of(Type::plain, 64, 500000);
  expect_table(spec, 300, plain(500000, 64));
}

TEST(Rope, LinearDividesEveryFrequency) {
  const RopeSpec spec = spec_of(Type::linear, 16, 10000);
  const Frequency base = plain(10000, 16);
  expect_table(spec, 48, [&](int64_t pair) { return base(pair) / 4; });
}

TEST(Rope, DynamicIsPlainUpToTheTrainedLength) {
  RopeSpec spec = spec_of(Type::dynamic, 16, 10000);
  spec.max_positions = 32;
  expect_table(spec, 32, plain(10000, 16));
}

TEST(Rope, DynamicGrowsTheBaseBeyondTheTrainedLength) {
  RopeSpec spec = spec_of(Type::dynamic, 16, 10000);
  spec.max_positions = 32;
  const long double theta = 10000 * std::pow(4 * 48.0L / 32 - 3, 16.0L / 14);
  expect_table(spec, 48, plain(theta, 16));
}

TEST(Rope, Llama3BlendsBetweenTwoWavelengths) {
  RopeSpec spec = spec_of(Type::llama3, 32, 500000);
  spec.factor = 8;
  const Frequency base = plain(500000, 32);
  int stretched = 0, kept = 0, blended = 0;
  expect_table(spec, 48, [&](int64_t pair) -> long double {
    const long double f = base(pair), wavelength = 2 * kPi / f;
    if (wavelength > 32) return ++stretched, f / 8;
    if (wavelength < 32.0L / 4) return ++kept, f;
    const long double smooth = (32 / wavelength - 1) / (4 - 1);
    return ++blended, (1 - smooth) * f / 8 + smooth * f;
  });
  EXPECT_TRUE(stretched > 0 && kept > 0 && blended > 0);
}

/// Frequencies by the ramp between two pairs.
Frequency ramped(const Frequency& base, long double low, long double high, long double factor) {
  return [=](int64_t pair) {
    const long double ramp = std::min(1.0L, std::max(0.0L, (pair - low) / (high - low)));
    return base(pair) / factor * ramp + base(pair) * (1 - ramp);
  };
}

long double turning_pair(long double turns, long double dims, long double theta, long double trained) {
  return dims * std::log(trained / (turns * 2 * kPi)) / (2 * std::log(theta));
}

TEST(Rope, YarnInterpolatesSlowPairsOnly) {
  const RopeSpec spec = spec_of(Type::yarn, 32, 10000);
  // 32 turns in 32 positions: before pair 0. One turn: between pairs 2 and 3, rounded up.
  const long double low = 0, high = std::ceil(turning_pair(1, 32, 10000, 32));
  ASSERT_EQ(high, 3);
  expect_table(spec, 48, ramped(plain(10000, 32), low, high, 4), 0.1L * std::log(4.0L) + 1);
}

TEST(Rope, YarnOptionsMoveTheRampAndTheMagnitude) {
  RopeSpec spec = spec_of(Type::yarn, 32, 10000);
  spec.beta_fast = 4;
  spec.beta_slow = 0.5;
  spec.truncate = false;
  spec.mscale = 0.7;
  spec.mscale_all_dim = 0.4;
  const long double low = turning_pair(4, 32, 10000, 32), high = turning_pair(0.5L, 32, 10000, 32);
  ASSERT_GT(low, 0);
  const long double magnitude = (0.07L * std::log(4.0L) + 1) / (0.04L * std::log(4.0L) + 1);
  expect_table(spec, 48, ramped(plain(10000, 32), low, high, 4), magnitude);

  spec.attention_factor = 1.5;
  expect_table(spec, 48, ramped(plain(10000, 32), low, high, 4), 1.5L);
  spec.attention_factor.reset();
  spec.mscale_all_dim = 0;
  expect_table(spec, 48, ramped(plain(10000, 32), low, high, 4), 0.1L * std::log(4.0L) + 1);
}

TEST(Rope, YarnSurvivesAnEmptyRamp) {
  RopeSpec spec = spec_of(Type::yarn, 32, 10000);
  spec.beta_fast = spec.beta_slow = 2;
  spec.truncate = false;
  const long double edge = turning_pair(2, 32, 10000, 32);
  expect_table(spec, 48, ramped(plain(10000, 32), edge, edge + 0.001L, 4), 0.1L * std::log(4.0L) + 1);
}

TEST(Rope, LongropeChoosesItsFactorsByTheLength) {
  RopeSpec spec = spec_of(Type::longrope, 8, 10000);
  spec.short_factor = {1, 1.1, 1.2, 1.3};
  spec.long_factor = {1.5, 2.6, 3.7, 4.8};
  const Frequency base = plain(10000, 8);
  const long double magnitude = std::sqrt(1 + std::log(4.0L) / std::log(32.0L));
  expect_table(
      spec, 32, [&](int64_t pair) { return base(pair) / spec.short_factor[pair]; }, magnitude);
  expect_table(
      spec, 33, [&](int64_t pair) { return base(pair) / spec.long_factor[pair]; }, magnitude);
  spec.factor = 1;
  expect_table(spec, 33, [&](int64_t pair) { return base(pair) / spec.long_factor[pair]; });
  spec.attention_factor = 1.25;
  expect_table(
      spec, 33, [&](int64_t pair) { return base(pair) / spec.long_factor[pair]; }, 1.25L);
}

TEST(Rope, AnglesAreProductsInFloat32) {
  const RopeTable table = make_rope_table(spec_of(Type::plain, 4, 10000), 3001);
  const float f = 1.0f / 100.0f;  // 10000^(-2/4)
  EXPECT_EQ(table.sin[2 * 3000 + 1], static_cast<float>(std::sin(static_cast<double>(3000.0f * f))));
}

/// The rope of the tiny model with these keys in its config.
RopeSpec read_rope_of(const Json& keys) {
  test::TinyModel model = test::tiny_llama();
  for (const auto& [key, value] : keys.items()) model.config[key] = value;
  const test::TempDir folder;
  return read_model_spec(model.write(folder)).ropes.at(0);
}

std::string refusal_of(const Json& keys) {
  try {
    read_rope_of(keys);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(RopeKeys, TheBaseIsFoundInEitherStyle) {
  EXPECT_EQ(read_rope_of({}).theta, 10000);
  EXPECT_EQ(read_rope_of({{"rope_theta", 5e5}}).theta, 5e5);
  EXPECT_EQ(read_rope_of({{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 2e5}}}}).theta, 2e5);
  const Json both = {{"rope_theta", 5e5}, {"rope_scaling", {{"type", "linear"}, {"factor", 2}, {"rope_theta", 3e5}}}};
  EXPECT_EQ(read_rope_of(both).theta, 3e5);
}

TEST(RopeKeys, ScalingReplacesParameters) {
  const RopeSpec rope = read_rope_of({{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 2e5}}},
                                      {"rope_scaling", {{"type", "linear"}, {"factor", 2}}}});
  EXPECT_EQ(rope.type, Type::linear);
  EXPECT_EQ(rope.factor, 2);
  EXPECT_EQ(rope.theta, 10000);
}

TEST(RopeKeys, PartialRotationTakesTheFirstComponents) {
  const auto dims_of = [](const Json& config) {
    Keys keys(JsonObject(config, "config"));
    return read_rope(keys, 8, {.partial = 1}).dims;
  };
  const Json half = {{"partial_rotary_factor", 0.5}};
  const Json quarter = {{"rope_parameters", {{"partial_rotary_factor", 0.25}}}};
  EXPECT_EQ(dims_of(half), 4);
  EXPECT_EQ(dims_of(quarter), 2);
  for (const double share : {0.1, 1.5}) {
    const Json bad = {{"partial_rotary_factor", share}};
    EXPECT_THROW(dims_of(bad), Error);
  }
}

/// The library that saves such models does not look at it, and other runtimes do.
TEST(RopeKeys, PartialRotationIsRefusedWhereWholeHeadsRotate) {
  EXPECT_EQ(read_rope_of({{"partial_rotary_factor", 1.0}}).dims, 8);
  EXPECT_NE(refusal_of({{"partial_rotary_factor", 0.5}}).find("partial_rotary_factor"), std::string::npos);
  EXPECT_NE(refusal_of({{"rope_parameters", {{"partial_rotary_factor", 0.5}}}}).find("partial_rotary_factor"),
            std::string::npos);
}

TEST(RopeKeys, MultimodalRopeIsPlainForText) {
  EXPECT_EQ(read_rope_of({{"rope_scaling", {{"type", "mrope"}, {"mrope_section", {2, 1, 1}}}}}).type, Type::plain);
}

TEST(RopeKeys, TheTrainedLengthIsTheWholeConfigsThenTheSectionsThenTheLongest) {
  const Json yarn = {{"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 16}};
  const RopeSpec inside = read_rope_of({{"rope_scaling", yarn}});
  EXPECT_EQ(inside.original_max_positions, 16);
  EXPECT_EQ(inside.max_positions, 64);
  EXPECT_EQ(read_rope_of({{"rope_scaling", yarn}, {"original_max_position_embeddings", 8}}).original_max_positions, 8);
  EXPECT_EQ(read_rope_of({{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4}}}}).original_max_positions, 64);
}

TEST(RopeKeys, AnAbsentFactorIsTheRatioOfTheLengths) {
  const Json yarn = {{"rope_type", "yarn"}, {"factor", nullptr}, {"original_max_position_embeddings", 16}};
  EXPECT_EQ(read_rope_of({{"rope_scaling", yarn}}).factor, 4);
  const Json su = {{"type", "su"}, {"short_factor", {1, 1, 1, 1}}, {"long_factor", {2, 2, 2, 2}}};
  const RopeSpec rope = read_rope_of({{"rope_scaling", su}, {"original_max_position_embeddings", 32}});
  EXPECT_EQ(rope.type, Type::longrope);
  EXPECT_EQ(rope.factor, 2);
}

TEST(RopeKeys, BadOnesAreRefusedByName) {
  const auto scaled = [](Json section) { return refusal_of({{"rope_scaling", std::move(section)}}); };
  EXPECT_NE(scaled({{"type", "ntk-aware"}}).find("ntk-aware"), std::string::npos);
  EXPECT_NE(scaled({{"type", "linear"}}).find("factor"), std::string::npos);
  EXPECT_NE(scaled({{"type", "linear"}, {"factor", 0}}).find("factor"), std::string::npos);
  EXPECT_NE(scaled({{"type", "linear"}, {"factor", "4"}}).find("factor"), std::string::npos);
  EXPECT_NE(scaled({{"rope_type", "llama3"}, {"factor", 8}}).find("low_freq_factor"), std::string::npos);
  EXPECT_NE(scaled({{"rope_type", "llama3"}, {"factor", 8}, {"low_freq_factor", 4}, {"high_freq_factor", 4}})
                .find("high_freq_factor"),
            std::string::npos);
  EXPECT_NE(scaled({{"type", "longrope"}, {"factor", 2}, {"short_factor", {1, 1}}, {"long_factor", {1, 1, 1, 1}}})
                .find("short_factor"),
            std::string::npos);
  EXPECT_NE(scaled({{"type", "linear"}, {"factor", 2}, {"alpha", 1000}}).find("alpha"), std::string::npos);
  EXPECT_NE(refusal_of({{"rope_theta", -1}}).find("rope_theta"), std::string::npos);
  EXPECT_NE(refusal_of({{"rope_parameters", {{"full_attention", {{"rope_theta", 1e6}}}}}}).find("full_attention"),
            std::string::npos);
}

}  // namespace
}  // namespace assay

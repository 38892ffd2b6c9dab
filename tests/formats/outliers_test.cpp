#include "formats/shared/outliers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "formats/shared/minifloat.h"

namespace assay {
namespace {

ActivationQuant llm_int8(float threshold) {
  ActivationQuant quant;
  quant.element = ActivationQuant::Element::integer;
  quant.scope = ActivationQuant::Scope::call;
  quant.outlier_threshold = threshold;
  return quant;
}

TEST(Outliers, KeepWholeColumnsAndDoNotWidenTheScale) {
  // Token 0 has an outlier in column 1; token 1 has its largest small value there, which still sets its scale.
  std::vector<float> x = {1.27f, 3.0001f, -0.0149f, 0.5f, 0.3f, -2.54f, 1.0f, 0.011f};
  const std::vector<float> before = x;
  quantize_call(llm_int8(3), x.data(), 2, 4, 4);
  EXPECT_EQ(x[1], before[1]) << "unrounded, not even to float16";
  EXPECT_EQ(x[5], before[5]);
  const float scales[] = {round_to_f16(1.27f) / 127, round_to_f16(2.54f) / 127};
  for (const int i : {0, 2, 3, 4, 6, 7}) {
    EXPECT_FLOAT_EQ(x[i], std::nearbyint(before[i] / scales[i / 4]) * scales[i / 4]) << i;
  }
  EXPECT_NE(x[3], before[3]);
}

TEST(Outliers, AreOfTheCallAlone) {
  std::vector<float> x = {1, 5, 1, 0.505f}, apart = x;
  quantize_call(llm_int8(4), x.data(), 2, 2, 2);
  EXPECT_EQ(x[3], 0.505f) << "its column has an outlier in the other token";
  quantize_call(llm_int8(4), apart.data(), 1, 2, 2);
  quantize_call(llm_int8(4), apart.data() + 2, 1, 2, 2);
  EXPECT_EQ(apart[1], 5);
  EXPECT_FLOAT_EQ(apart[3], 64.0f / 127);
}

TEST(Outliers, AreNoneWithoutAThreshold) {
  std::vector<float> x = {127, 63.4f, 0, 0, 0, 7};  // rows of 2, 3 apart
  quantize_call(llm_int8(0), x.data(), 2, 2, 3);
  EXPECT_EQ(x, (std::vector<float>{127, 63, 0, 0, 0, 7}));
}

TEST(Outliers, AreDecidedInFloat16) {
  std::vector<float> x = {5.999f, 1};  // 6 as float16
  quantize_call(llm_int8(6), x.data(), 1, 2, 2);
  EXPECT_EQ(x[0], 5.999f);
}

TEST(Half, CodesAreTheInverseOfTheirValues) {
  for (uint32_t code = 0; code < 65536; ++code) {
    const float value = float_of_f16(static_cast<uint16_t>(code));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(float_of_f16(bits_of_f16(value))));
    } else {
      ASSERT_EQ(bits_of_f16(value), code);
      ASSERT_EQ(round_to_f16(value), value);
    }
    const float wide = float_of_bf16(static_cast<uint16_t>(code));
    if (std::isnan(wide)) {
      ASSERT_TRUE(std::isnan(float_of_bf16(bits_of_bf16(wide))));
    } else {
      ASSERT_EQ(bits_of_bf16(wide), code);
    }
  }
}

TEST(Half, RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(bits_of_f16(65519.9f), 0x7BFF);
  EXPECT_EQ(bits_of_f16(65520.0f), 0x7C00);
  EXPECT_EQ(bits_of_f16(-65520.0f), 0xFC00);
  EXPECT_EQ(bits_of_f16(1 + 0x1p-11f), 0x3C00);
  EXPECT_EQ(bits_of_f16(1 + 0x1.8p-10f), 0x3C02);
  EXPECT_EQ(bits_of_f16(0x1p-25f), 0);
  EXPECT_EQ(bits_of_f16(0x1.8p-25f), 1);
  EXPECT_EQ(bits_of_f16(-0.0f), 0x8000);
  EXPECT_EQ(bits_of_bf16(1 + 0x1p-8f), 0x3F80);
  EXPECT_EQ(bits_of_bf16(1 + 0x1.8p-7f), 0x3F82);
  EXPECT_EQ(bits_of_bf16(3.4e38f), 0x7F80) << "beyond the largest";
}

}  // namespace
}  // namespace assay

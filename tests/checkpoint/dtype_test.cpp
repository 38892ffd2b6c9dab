#include "checkpoint/dtype.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(DTypes, EveryNameLeadsBackToItsType) {
  for (int i = 0; i <= static_cast<int>(DType::BOOL); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_of(name_of(dtype)), dtype);
  }
}

TEST(DTypes, UnknownNamesHaveNoType) {
  EXPECT_EQ(dtype_of("bf16"), std::nullopt);
  EXPECT_EQ(dtype_of(""), std::nullopt);
  EXPECT_EQ(dtype_of("F8_E4M3FNUZ"), std::nullopt);
}

TEST(DTypes, NamesTellTheirWidth) {
  EXPECT_EQ(bits_of(DType::F64), 64);
  EXPECT_EQ(bits_of(DType::I32), 32);
  EXPECT_EQ(bits_of(DType::BF16), 16);
  EXPECT_EQ(bits_of(DType::F8_E8M0), 8);
  EXPECT_EQ(bits_of(DType::F6_E2M3), 6);
  EXPECT_EQ(bits_of(DType::F4), 4);
  EXPECT_EQ(bits_of(DType::BOOL), 8);
}

TEST(DTypes, BlocksFillWholeBytes) {
  EXPECT_EQ(block_of(DType::F32).bytes, 4);
  EXPECT_EQ(block_of(DType::F4).elements, 2);
  EXPECT_EQ(block_of(DType::F6_E3M2).bytes, 3);
  EXPECT_EQ(block_of(DType::Q4_K).elements, 256);
  EXPECT_EQ(block_of(DType::Q4_K).bytes, 144);
  EXPECT_EQ(name_of(DType::Q4_K), "Q4_K");
  EXPECT_EQ(dtype_of("Q4_K"), std::nullopt);
  EXPECT_EQ(dtype_of_gguf(12), DType::Q4_K);
  EXPECT_EQ(dtype_of_gguf(30), DType::BF16);
  EXPECT_EQ(dtype_of_gguf(4), std::nullopt);
}

TEST(DTypes, OnlyPlainFloatsCountAsFloats) {
  EXPECT_TRUE(is_float(DType::F64));
  EXPECT_TRUE(is_float(DType::BF16));
  EXPECT_FALSE(is_float(DType::F8_E4M3));
  EXPECT_FALSE(is_float(DType::I8));
}

}  // namespace
}  // namespace assay

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "formats/made_checkpoint.h"
#include "formats/shared/wildcard.h"
#include "support/errors.h"

// The formats of FP8 checkpoints, ModelOpt, Quark, MLX, torchao, quanto, HQQ, BitNet and gpt-oss: in shapes that no
// fixture has, and what is said about damaged files.
namespace assay {
namespace {

using test::bf16;
using test::expect_says;
using test::MadeCheckpoint;
using test::SafetensorsWriter;

constexpr uint8_t kOne = 0x38;  // 1 in E4M3
constexpr const char* kName = "a.up_proj";

/// What opening or decoding says.
void expect_error(const std::string& config, const SafetensorsWriter& tensors,
                  std::initializer_list<const char*> parts) {
  try {
    MadeCheckpoint(config, tensors).decode(kName);
    ADD_FAILURE() << "expected an Error";
  } catch (const Error& error) {
    expect_says(error.what(), {"a.up_proj"});
    expect_says(error.what(), parts);
  }
}

/// The whole weight, after checking that every row by itself is the same.
std::vector<float> decode(const StoredWeight& weight) {
  std::vector<float> whole(weight.rows() * weight.cols());
  weight.decode(0, weight.rows(), whole.data());
  for (int64_t row = 0; row < weight.rows(); ++row) {
    std::vector<float> one(weight.cols());
    weight.decode(row, row + 1, one.data());
    for (int64_t c = 0; c < weight.cols(); ++c) EXPECT_EQ(one[c], whole[row * weight.cols() + c]) << row << ' ' << c;
  }
  return whole;
}

std::vector<float> decode(const std::string& config, const SafetensorsWriter& tensors,
                          const std::string& name = kName) {
  return decode(*MadeCheckpoint(config, tensors).open(name));
}

std::vector<float> quantized(const ActivationQuant& quant, std::vector<float> row) {
  quantize_activations(quant, row.data(), static_cast<int64_t>(row.size()));
  return row;
}

constexpr const char* kFp8Blocks = R"({"quant_method":"fp8","weight_block_size":[2,3]})";
constexpr const char* kFp8Tensor = R"({"quant_method":"fp8","activation_scheme":"static"})";

SafetensorsWriter ones(const std::vector<int64_t>& shape, const std::string& name = "a.up_proj.weight") {
  SafetensorsWriter writer;
  writer.fill<uint8_t>(name, DType::F8_E4M3, shape, kOne);
  return writer;
}

TEST(Fp8, BlocksMayBeCutOffAndScalesMayBePowersOfTwo) {
  SafetensorsWriter writer = ones({3, 4});
  writer.add<uint8_t>("a.up_proj.weight_scale_inv", DType::F8_E8M0, {2, 2}, {127, 128, 129, 130});
  EXPECT_EQ(decode(kFp8Blocks, writer), (std::vector<float>{1, 1, 1, 2, 1, 1, 1, 2, 4, 4, 4, 8}));
}

TEST(Fp8, StackedExpertsAreRows) {
  SafetensorsWriter writer = ones({2, 2, 3}, kName);
  writer.add<float>("a.up_proj_scale_inv", DType::F32, {2, 1, 1}, {1, 2});
  EXPECT_EQ(decode(kFp8Blocks, writer), (std::vector<float>{1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2}));
  SafetensorsWriter crossing = ones({2, 3, 3}, kName);
  crossing.add<float>("a.up_proj_scale_inv", DType::F32, {2, 2, 1}, {1, 2, 3, 4});
  expect_error(kFp8Blocks, crossing, {"blocks of 2 rows", "from one expert into the next"});
}

TEST(Fp8, TransformersNamesAreKnown) {
  SafetensorsWriter writer = ones({1, 2});
  writer.add<float>("a.up_proj.weight_scale_inv", DType::F32, {1, 1}, {3});
  writer.add<float>("a.up_proj.activation_scale", DType::F32, {}, {0.5f});
  const MadeCheckpoint made(kFp8Tensor, writer);
  EXPECT_EQ(decode(*made.open(kName)), (std::vector<float>{3, 3}));
  EXPECT_EQ(made.open(kName)->input_quant().scale, std::vector<float>{0.5f});
}

TEST(Fp8, DamageIsNamed) {
  expect_error(kFp8Blocks, ones({3, 4}), {"a.up_proj.weight_scale_inv is missing"});
  SafetensorsWriter shape = ones({3, 4});
  shape.fill<float>("a.up_proj.weight_scale_inv", DType::F32, {2, 1}, 1);
  expect_error(kFp8Blocks, shape, {"expected [2, 2] scales", "found F32 [2, 1]"});
  SafetensorsWriter nan = ones({3, 4});
  nan.add<float>("a.up_proj.weight_scale_inv", DType::F32, {2, 2}, {1, 1, 1, NAN});
  expect_error(kFp8Blocks, nan, {"weight_scale_inv[1, 1] is nan"});
  const MadeCheckpoint no_rows(R"({"quant_method":"fp8","weight_block_size":[0,128]})", ones({3, 4}));
  EXPECT_THROW(no_rows.open(kName), Error);
  SafetensorsWriter no_input = ones({1, 2});
  no_input.add<float>("a.up_proj.weight_scale", DType::F32, {}, {1});
  expect_error(kFp8Tensor, no_input, {"a.up_proj.input_scale is missing"});
}

TEST(FbgemmFp8, ActivationsAreClampedToTheUpperBound) {
  SafetensorsWriter writer = ones({2, 2});
  writer.add<float>("a.up_proj.weight_scale", DType::F32, {2, 1}, {1, 2});
  const MadeCheckpoint made(R"({"quant_method":"fbgemm_fp8","activation_scale_ub":448})", writer);
  EXPECT_EQ(decode(*made.open(kName)), (std::vector<float>{1, 1, 2, 2}));
  EXPECT_EQ(quantized(made.open(kName)->input_quant(), {896, 1}), (std::vector<float>{448, 1}));
  expect_error(R"({"quant_method":"fbgemm_fp8"})", ones({2, 2}), {"weight_scale is missing"});
}

std::string modelopt(const std::string& algorithm) {
  return R"({"quant_method":"modelopt","quant_algo":")" + algorithm + "\"}";
}

TEST(Modelopt, Fp8MayHaveScalesOfRowsAndBlocks) {
  SafetensorsWriter rows = ones({2, 2});
  rows.add<float>("a.up_proj.weight_scale", DType::F32, {2}, {1, 2});
  const MadeCheckpoint made(modelopt("FP8_PER_CHANNEL_PER_TOKEN"), rows);
  EXPECT_EQ(decode(*made.open(kName)), (std::vector<float>{1, 1, 2, 2}));
  EXPECT_EQ(made.open(kName)->input_quant().scope, ActivationQuant::Scope::token);
  SafetensorsWriter blocks = ones({129, 1});
  blocks.add<float>("a.up_proj.weight_scale", DType::F32, {2, 1, 1, 1}, {1, 2});
  const std::vector<float> w = decode(modelopt("FP8_PB_WO"), blocks);
  EXPECT_EQ(w[127], 1);
  EXPECT_EQ(w[128], 2);
}

SafetensorsWriter modelopt_int4() {
  SafetensorsWriter writer;
  writer.add<uint8_t>("a.up_proj.weight", DType::U8, {1, 2}, {0x7F, 0x18});
  writer.add<float>("a.up_proj.weight_scale", DType::F32, {2, 1}, {1, 2});
  return writer;
}

TEST(Modelopt, Int4SharesBytesBetweenRows) {
  EXPECT_EQ(decode(modelopt("W4A16_AWQ"), modelopt_int4()), (std::vector<float>{-1, -8, 14, 2}));
  expect_error(modelopt("W4A8_AWQ"), modelopt_int4(), {"a.up_proj.weight_scale_2 is missing"});
  SafetensorsWriter full = modelopt_int4();
  full.add<float>("a.up_proj.weight_scale_2", DType::F32, {}, {2});
  full.add<float>("a.up_proj.input_scale", DType::F32, {}, {1});
  full.add<uint16_t>("a.up_proj.pre_quant_scale", DType::BF16, {2}, {bf16(1), bf16(0.5f)});
  const MadeCheckpoint made(modelopt("W4A8_AWQ"), full);
  EXPECT_EQ(decode(*made.open(kName)), (std::vector<float>{-2, -8, 28, 2}));
  // The quantizer sees 1000 * 0.5 and saturates at 448; the weights have taken in the 0.5.
  EXPECT_EQ(quantized(made.open(kName)->input_quant(), {4, 1000}), (std::vector<float>{4, 896}));
}

TEST(Modelopt, DamageIsNamed) {
  SafetensorsWriter nvfp4;
  nvfp4.fill<uint8_t>("a.up_proj.weight", DType::U8, {1, 8}, 0x22);
  nvfp4.fill<uint8_t>("a.up_proj.weight_scale", DType::F8_E4M3, {1, 1}, kOne);
  expect_error(modelopt("NVFP4"), nvfp4, {"weight_scale_2 is missing"});
  expect_error(modelopt("NVFP4_SVD"), nvfp4, {"NVFP4_SVD", "is not supported"});
  nvfp4.add<float>("a.up_proj.weight_scale_2", DType::F32, {}, {INFINITY});
  expect_error(modelopt("NVFP4"), nvfp4, {"weight_scale_2[0] is inf"});
  SafetensorsWriter zero = modelopt_int4();
  zero.add<uint16_t>("a.up_proj.pre_quant_scale", DType::BF16, {2}, {bf16(1), 0});
  expect_error(modelopt("W4A16_AWQ"), zero, {"pre_quant_scale[1] is 0"});
  SafetensorsWriter wide = modelopt_int4();
  wide.fill<uint16_t>("a.up_proj.pre_quant_scale", DType::BF16, {3}, bf16(1));
  expect_error(modelopt("W4A16_AWQ"), wide, {"expected floats [2]", "found BF16 [3]"});
}

std::string quark(const std::string& weight, const std::string& pack_method = "order") {
  return R"({"quant_method":"quark","export":{"pack_method":")" + pack_method +
         R"("},"global_quant_config":{"weight":{"dtype":"fp8_e4m3","qscheme":"per_tensor"}},)" +
         R"("layer_quant_config":{"*up_proj":{"weight":)" + weight + "}}}";
}
constexpr const char* kUint4 = R"({"dtype":"uint4","qscheme":"per_group","group_size":1})";
constexpr const char* kInt4 = R"({"dtype":"int4","qscheme":"per_group","group_size":1})";

SafetensorsWriter quark_words() {
  SafetensorsWriter writer;
  writer.add<uint32_t>("a.up_proj.weight", DType::I32, {1, 1}, {0xF6543210});
  writer.fill<uint16_t>("a.up_proj.weight_scale", DType::BF16, {1, 8}, bf16(1));
  return writer;
}

TEST(Quark, PacksInOrderOrReordered) {
  SafetensorsWriter zeros = quark_words();
  zeros.add<uint32_t>("a.up_proj.weight_zero_point", DType::I32, {1, 1}, {0x00000010});
  EXPECT_EQ(decode(quark(kUint4), zeros), (std::vector<float>{0, 0, 2, 3, 4, 5, 6, 15}));
  EXPECT_EQ(decode(quark(kInt4, "reorder"), quark_words()), (std::vector<float>{0, 4, 1, 5, 2, 6, 3, -1}));
}

TEST(Quark, DamageIsNamed) {
  expect_error(quark(kUint4), quark_words(), {"weight_zero_point is missing"});
  expect_error(quark(R"({"dtype":"int3","qscheme":"per_group","group_size":1})"), quark_words(),
               {"*up_proj", "int3", "quark/int4"});
  expect_error(quark(R"({"dtype":"int4","qscheme":"per_group","group_size":3})"), quark_words(),
               {"groups of 3 do not divide 1 columns"});
  SafetensorsWriter fp8 = ones({2, 2});
  fp8.fill<float>("a.up_proj.weight_scale", DType::F32, {3}, 1);
  expect_error(quark(R"({"dtype":"fp8_e4m3","qscheme":"per_channel"})"), fp8, {"expected [2, 1]", "found F32 [3]"});
}

TEST(Wildcards, MeanWhatFnmatchMeans) {
  EXPECT_TRUE(matches_wildcard("*up_proj", "a.b.up_proj"));
  EXPECT_TRUE(matches_wildcard("a.?.[b-d]*x", "a.7.c.yx"));
  EXPECT_TRUE(matches_wildcard("[!ab]", "c"));
  EXPECT_FALSE(matches_wildcard("[!ab]", "a"));
  EXPECT_TRUE(matches_wildcard("[]]", "]"));
  EXPECT_TRUE(matches_wildcard("a[", "a["));
  EXPECT_FALSE(matches_wildcard("*up", "a.up_proj"));
  EXPECT_TRUE(matches_wildcard("", ""));
  EXPECT_FALSE(matches_wildcard("?", ""));
  // Must not try every way to share out the stars.
  EXPECT_FALSE(matches_wildcard("*a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(20000, 'a')));
}

std::string mlx(int bits, int group_size, const std::string& mode = "affine") {
  return fmt::format(R"({{"quant_method":"mlx","bits":{},"group_size":{},"mode":"{}"}})", bits, group_size, mode);
}

/// Two experts [2, 1, 32] of 3 bits: fields 0, 1, .. 7, 0, 1, ..
SafetensorsWriter mlx_experts() {
  SafetensorsWriter writer;
  std::vector<uint32_t> words(6);
  for (int i = 0; i < 64; ++i) {
    for (int bit = 0; bit < 3; ++bit) {
      if (i >> bit & 1) words[(3 * i + bit) / 32] |= 1u << (3 * i + bit) % 32;
    }
  }
  writer.add<uint32_t>("a.up_proj.weight", DType::U32, {2, 1, 3}, words);
  writer.add<uint16_t>("a.up_proj.scales", DType::BF16, {2, 1, 1}, {bf16(2), bf16(-1)});
  return writer;
}

TEST(Mlx, StackedExpertsAreRows) {
  SafetensorsWriter writer = mlx_experts();
  writer.add<uint16_t>("a.up_proj.biases", DType::BF16, {2, 1, 1}, {bf16(-4), bf16(8)});
  const std::vector<float> w = decode(mlx(3, 32), writer);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(w[i], static_cast<float>(2 * (i % 8) - 4)) << i;
  for (int i = 32; i < 64; ++i) EXPECT_EQ(w[i], static_cast<float>(8 - i % 8)) << i;
}

TEST(Mlx, DamageIsNamed) {
  expect_error(mlx(3, 32), mlx_experts(), {"a.up_proj.biases is missing"});
  expect_error(mlx(5, 32), mlx_experts(), {"do not make groups of 32 codes of 5 bits"});
  SafetensorsWriter cut;
  cut.fill<uint32_t>("a.up_proj.weight", DType::U32, {1, 7}, 0);
  cut.fill<uint8_t>("a.up_proj.scales", DType::U8, {1, 2}, 127);
  expect_error(mlx(4, 32, "mxfp4"), cut, {"a.up_proj.weight", "whole groups of 32", "found U32 [1, 7]"});
  expect_error(mlx(4, 16, "nvfp4"), mlx_experts(), {"expected U8", "found BF16"});
  expect_error(mlx(4, 32, "nvfp4"), mlx_experts(), {"mode nvfp4 has 4 bits in groups of 16"});
  SafetensorsWriter nan;
  nan.fill<uint32_t>("a.up_proj.weight", DType::U32, {1, 4}, 0);
  nan.fill<uint8_t>("a.up_proj.scales", DType::U8, {1, 1}, 255);
  expect_error(mlx(4, 32, "mxfp4"), nan, {"scales[0, 0] is nan"});
}

TEST(Mlx, ExpertsMayHaveGlobalScales) {
  SafetensorsWriter writer;
  writer.fill<uint32_t>("a.up_proj.weight", DType::U32, {2, 1, 2}, 0x22222222);  // 1
  writer.fill<uint8_t>("a.up_proj.scales", DType::U8, {2, 1, 1}, kOne);
  SafetensorsWriter full = writer;
  full.add<float>("a.up_proj.global_scale", DType::F32, {2}, {2688, 5376});
  const std::vector<float> w = decode(mlx(4, 16, "nvfp4"), full);
  EXPECT_EQ(w[0], 1);
  EXPECT_EQ(w[16], 2);
  SafetensorsWriter few = writer;
  few.add<float>("a.up_proj.global_scale", DType::F32, {1}, {1});
  expect_error(mlx(4, 16, "nvfp4"), few, {"global_scale", "each of 2 matrices", "found F32 [1]"});
  writer.add<float>("a.up_proj.global_scale", DType::F32, {2}, {1, INFINITY});
  expect_error(mlx(4, 16, "nvfp4"), writer, {"global_scale[1] is inf"});
}

TEST(Mlx, WhatTheConfigDoesNotNameIsReadOffTheTensors) {
  SafetensorsWriter writer;
  writer.fill<uint32_t>("a.up_proj.weight", DType::U32, {1, 6}, 0);
  writer.fill<uint16_t>("a.up_proj.scales", DType::BF16, {1, 2}, bf16(1));
  writer.fill<uint16_t>("a.up_proj.biases", DType::BF16, {1, 2}, bf16(3));
  const MadeCheckpoint made(mlx(4, 64), writer);
  const auto weight = open_weight({made.checkpoint(), made.config(), kName, Module::Kind::linear, Module::Size{1, 64}});
  EXPECT_EQ(weight->format(), "mlx/affine-3bit");
  EXPECT_EQ(decode(*weight), std::vector<float>(64, 3));
}

TEST(Mlx, ConfigsThatCannotBeAreRefused) {
  for (const char* config :
       {R"({"quant_method":"mlx","bits":7})", R"({"quant_method":"mlx","mode":"nf4"})",
        R"({"quant_method":"mlx","group_size":0})", R"({"quant_method":"mlx","quantize_activations":true})"}) {
    const MadeCheckpoint made(config, mlx_experts());
    EXPECT_THROW(made.open(kName), Error) << config;
  }
}

constexpr const char* kTorchao = R"({"quant_method":"torchao"})";

/// MXTensor [130, 40], E4M3 ones; scale (r, c) is 2^(r % 7 + c), in swizzled tiles.
SafetensorsWriter swizzled(size_t scales) {
  std::vector<uint8_t> stored(scales, 255);
  for (size_t r = 0; r < 130 && scales == 1024; ++r) {
    for (size_t c = 0; c < 2; ++c) {
      stored[r / 128 * 512 + r % 32 * 16 + r % 128 / 32 * 4 + c] = static_cast<uint8_t>(127 + r % 7 + c);
    }
  }
  SafetensorsWriter writer = ones({130, 40}, "a.up_proj._weight_qdata");
  writer.add<uint8_t>("a.up_proj._weight_scale", DType::F8_E8M0, {static_cast<int64_t>(scales)}, stored);
  writer.describe("a.up_proj.weight", R"({"_type":"MXTensor","_data":{"block_size":32,"is_swizzled_scales":true}})");
  return writer;
}

TEST(Torchao, SwizzledScalesComeBackInOrder) {
  const std::vector<float> w = decode(kTorchao, swizzled(1024));
  for (int r = 0; r < 130; ++r) {
    for (int c = 0; c < 40; ++c) EXPECT_EQ(w[r * 40 + c], std::exp2(r % 7 + c / 32)) << r << ' ' << c;
  }
  expect_error(kTorchao, swizzled(512), {"expected 1024 scales", "found F8_E8M0 [512]"});
}

SafetensorsWriter int8_tensors() {
  SafetensorsWriter writer;
  writer.add<int8_t>("a.up_proj._weight_qdata", DType::I8, {1, 2}, {-128, 127});
  writer.fill<float>("a.up_proj._weight_scale", DType::F32, {1, 1}, 2);
  return writer;
}

SafetensorsWriter torchao_int8(const std::string& description, const std::string& type = "Int8Tensor") {
  SafetensorsWriter writer = int8_tensors();
  writer.describe("a.up_proj.weight", R"({"_type":")" + type + R"(","_data":)" + description + "}");
  return writer;
}

TEST(Torchao, DamageIsNamed) {
  EXPECT_EQ(decode(kTorchao, torchao_int8(R"({"block_size":[1,2]})")), (std::vector<float>{-256, 254}));
  expect_error(kTorchao, torchao_int8(R"({"block_size":[1,1]})"), {"expected [1, 2] scales"});
  expect_error(kTorchao, torchao_int8(R"({"block_size":[1,2]})", "Int4PreshuffledTensor"),
               {"Int4PreshuffledTensor", "are not supported", "Int8Tensor"});
  SafetensorsWriter zeros = torchao_int8(R"({"block_size":[1,2]})");
  zeros.fill<int32_t>("a.up_proj._weight_zero_point", DType::I32, {1, 1}, 0);
  expect_error(kTorchao, zeros, {"_weight_zero_point", "expected I8", "found I32 [1, 1]"});
  for (const char* description : {R"({})", R"({"block_size":[0,2]})"}) {
    const MadeCheckpoint made(kTorchao, torchao_int8(description));
    EXPECT_THROW(made.open(kName), Error) << description;
  }
}

/// The inputs of a weight [1, 2] whose description says so.
ActivationQuant torchao_inputs(const std::string& kwargs, const std::string& settings,
                               SafetensorsWriter writer = int8_tensors()) {
  writer.describe("a.up_proj.weight",
                  fmt::format(R"({{"_type":"Int8Tensor","_data":{{"block_size":[1,2],"act_quant_kwargs":)"
                              R"({{"_type":"QuantizeTensorTo{}Kwargs","_data":{{{}}}}}}}}})",
                              kwargs, settings));
  const MadeCheckpoint made(kTorchao, writer);
  return made.open(kName)->input_quant();
}

constexpr const char* kPerRow = R"("granularity":{"_type":"PerRow","_data":{"dim":-1}})";
constexpr const char* kPerTensor = R"("granularity":{"_type":"PerTensor","_data":{}})";

std::string typed(const char* key, const char* value) {
  return fmt::format(R"("{}":{{"_type":"torch.dtype","_data":"{}"}})", key, value);
}

TEST(Torchao, Int8InputsMayBeOfFewerBitsOrStatic) {
  const std::string symmetric = typed("mapping_type", "SYMMETRIC"), asymmetric = typed("mapping_type", "ASYMMETRIC");
  const auto reduced = torchao_inputs("Int8", fmt::format(R"({},{},"reduce_range":true)", kPerRow, symmetric));
  EXPECT_EQ(quantized(reduced, {63.5f, -63.5f}), (std::vector<float>{63, -64}));
  const auto spread = torchao_inputs("Int8", fmt::format("{},{}", kPerRow, asymmetric));
  EXPECT_EQ(quantized(spread, {-100, 155}), (std::vector<float>{-100, 155}));
  SafetensorsWriter writer = int8_tensors();
  writer.fill<float>("a.up_proj._weight_act_quant_scale", DType::F32, {1, 1}, 0.5f);
  writer.fill<int8_t>("a.up_proj._weight_act_quant_zero_point", DType::I8, {1, 1}, -100);
  const auto fixed = torchao_inputs("Int8", fmt::format("{},{}", kPerTensor, asymmetric), writer);
  EXPECT_EQ(quantized(fixed, {-20, 1.2f}), (std::vector<float>{-14, 1}));
}

TEST(Torchao, Float8InputsAreScaledByRowOrBlockWithinBounds) {
  const std::string e4m3 = typed("float8_dtype", "float8_e4m3fn"), e5m2 = typed("float8_dtype", "float8_e5m2");
  const auto bounded =
      torchao_inputs("Float8", fmt::format(R"({},{},"hp_value_lb":224,"hp_value_ub":448)", kPerRow, e4m3));
  EXPECT_EQ(quantized(bounded, {896, 1.06f}), (std::vector<float>{448, 1}));
  EXPECT_EQ(quantized(bounded, {112, 0}), (std::vector<float>{112, 0}));
  EXPECT_EQ(quantized(torchao_inputs("Float8", fmt::format("{},{}", kPerRow, e5m2)), {57344, 4.4f}),
            (std::vector<float>{57344, 4}));
  const auto block =
      torchao_inputs("Float8", R"("granularity":{"_type":"PerBlock","_data":{"block_size":[1,1]}},)" + e4m3);
  EXPECT_EQ(block.group_size, 1);
  const auto tensor = torchao_inputs("Float8", fmt::format("{},{}", kPerTensor, e4m3));
  EXPECT_EQ(tensor.element, ActivationQuant::Element::other);
  EXPECT_NE(tensor.refusal.find("PerTensor"), std::string::npos);
}

TEST(Torchao, MxScalesFollowTheirMode) {
  const auto inputs = [](const char* mode, const char* element) {
    return torchao_inputs(
        "MX", fmt::format(R"({},{},"block_size":32)", typed("elem_dtype", element), typed("scaling_mode", mode)));
  };
  // 7 and 7.5 under scales of 1, 2 or, where the magnitude is rounded to E2M1 first, of 1 up to a mantissa of 1.75.
  EXPECT_EQ(quantized(inputs("FLOOR", "float4_e2m1fn_x2"), {7.5f, 1}), (std::vector<float>{6, 1}));
  EXPECT_EQ(quantized(inputs("EVEN", "float4_e2m1fn_x2"), {6.9f, 0.5f}), (std::vector<float>{6, 0.5f}));
  EXPECT_EQ(quantized(inputs("EVEN", "float4_e2m1fn_x2"), {7, 0.5f}), (std::vector<float>{8, 0}));
  EXPECT_EQ(quantized(inputs("CEIL", "float4_e2m1fn_x2"), {4.1f, 0.5f}), (std::vector<float>{4, 0}));
  EXPECT_EQ(quantized(inputs("RCEIL", "float4_e2m1fn_x2"), {6.1f, 3}), (std::vector<float>{6, 3}));
  EXPECT_EQ(quantized(inputs("EVEN", "float8_e4m3fn"), {500, 1}), (std::vector<float>{512, 1}));
  EXPECT_EQ(quantized(inputs("FLOOR", "float8_e5m2"), {65000, 1}), (std::vector<float>{57344, 1}));
}

TEST(Torchao, Nvfp4InputsHaveOneLevelOfScalesOrTwo) {
  EXPECT_EQ(quantized(torchao_inputs("NVFP4", R"("block_size":16)"), {12, 1.2f}), (std::vector<float>{12, 1}));
  // The least scale is 2^-6.
  EXPECT_EQ(quantized(torchao_inputs("NVFP4", R"("block_size":16)"), {0x1p-7f, 0}), (std::vector<float>{0x1p-7f, 0}));
  SafetensorsWriter writer = int8_tensors();
  writer.fill<float>("a.up_proj._weight_act_per_tensor_scale", DType::F32, {}, 0x1p-3f);
  EXPECT_EQ(quantized(torchao_inputs("NVFP4", R"("block_size":16)", writer), {0x1p-7f, 0x1p-10f}),
            (std::vector<float>{0x1p-7f, 0x1p-10f}));
  EXPECT_EQ(torchao_inputs("NVFP4", R"("use_dynamic_per_tensor_scale":true)").element, ActivationQuant::Element::other);
}

TEST(Torchao, TheScaleOfInputsIsTakenIntoTheWeights) {
  SafetensorsWriter writer = int8_tensors();
  writer.add<float>("a.up_proj._weight_act_pre_scale", DType::F32, {2}, {0.5f, 4});
  const auto inputs = torchao_inputs("Int8", fmt::format("{},{}", kPerRow, typed("mapping_type", "SYMMETRIC")), writer);
  writer.describe("a.up_proj.weight", R"({"_type":"Int8Tensor","_data":{"block_size":[1,2]}})");
  EXPECT_EQ(decode(kTorchao, writer), (std::vector<float>{-128, 1016}));
  EXPECT_EQ(quantized(inputs, {100, 31.875f}), (std::vector<float>{100, 31.75f}));
}

/// Int4TilePackedTo4dTensor [9, 40] in two tiles of 8 rows by 128 columns: code (r + 3c) % 16, groups of 64 columns.
SafetensorsWriter int4_tiles(const char* shape = "[9,40]") {
  std::vector<int32_t> words(2 * 32 * 4);
  for (int r = 0; r < 9; ++r) {
    for (int c = 0; c < 40; ++c) {
      const int half = c % 16 / 2, nibble = c / 16 % 2 * 2 + half / 4 + 4 * (c % 2);
      words[(r / 8 * 32 + r % 8 * 4 + half % 4) * 4 + c / 32] |=
          static_cast<int32_t>(static_cast<uint32_t>((r + 3 * c) % 16) << 4 * nibble);
    }
  }
  SafetensorsWriter writer;
  writer.add<int32_t>("a.up_proj._weight_qdata", DType::I32, {2, 1, 32, 4}, words);
  std::vector<float> pairs;
  for (int r = 0; r < 2 * 16; ++r) pairs.insert(pairs.end(), {static_cast<float>(r + 1), -0.5f});
  writer.add<float>("a.up_proj._weight_scale_and_zero", DType::F32, {2, 16, 2}, pairs);
  writer.describe(
      "a.up_proj.weight",
      fmt::format(R"({{"_type":"Int4TilePackedTo4dTensor","_data":{{"block_size":[1,64],"shape":{}}}}})", shape));
  return writer;
}

TEST(Torchao, TilesOfTensorCoresComeBackInOrder) {
  const std::vector<float> w = decode(kTorchao, int4_tiles());
  for (int r = 0; r < 9; ++r) {
    for (int c = 0; c < 40; ++c) {
      EXPECT_EQ(w[r * 40 + c], static_cast<float>(((r + 3 * c) % 16 - 8) * (r + 1)) - 0.5f) << r << ' ' << c;
    }
  }
  expect_error(kTorchao, int4_tiles("[9,129]"), {"shape says [9, 129]", "cover 128 columns"});
  expect_error(kTorchao, int4_tiles("[40,9]"), {"shape says [40, 9]"});
  expect_error(kTorchao, int4_tiles("[9]"), {"shape", "two numbers"});
}

TEST(Torchao, SixBitFloatsTakeAByteEach) {
  const auto weight = [](const char* element) {
    SafetensorsWriter writer;
    writer.add<uint8_t>("a.up_proj._weight_qdata", DType::U8, {1, 3}, {0x1F, 0x20, 0x04});
    writer.fill<uint8_t>("a.up_proj._weight_scale", DType::F8_E8M0, {1, 1}, 128);
    writer.describe("a.up_proj.weight",
                    fmt::format(R"({{"_type":"MXTensor","_data":{{"block_size":32,"elem_dtype":"{}"}}}})", element));
    return decode(kTorchao, writer);
  };
  EXPECT_EQ(weight("fp6_e3m2"), (std::vector<float>{56, 0, 0.5f}));
  EXPECT_EQ(weight("fp6_e2m3"), (std::vector<float>{15, 0, 1}));
}

TEST(Torchao, AsymmetricInputsKeepTheirExtremes) {
  const MadeCheckpoint made(kTorchao,
                            torchao_int8(R"({"block_size":[1,2],"activation_quantization":"int8_asym_per_token"})"));
  const ActivationQuant quant = made.open(kName)->input_quant();
  EXPECT_EQ(quantized(quant, {0, 255}), (std::vector<float>{0, 255}));
  EXPECT_EQ(quantized(quant, {-255, 0}), (std::vector<float>{-255, 0}));
  EXPECT_EQ(quantized(quant, {-100, 155}), (std::vector<float>{-100, 155}));
  EXPECT_EQ(quantized(quant, {0, 0}), (std::vector<float>{0, 0}));
}

std::string quanto(const std::string& type, const std::string& activations = "none") {
  return fmt::format(R"({{"quant_method":"quanto","a.up_proj":{{"weights":"{}","activations":"{}"}}}})", type,
                     activations);
}

/// Codes [3, 2] of 4 bits, 0 to 5, in two chunks of two rows.
SafetensorsWriter quanto_int4() {
  SafetensorsWriter writer;
  writer.add<uint8_t>("a.up_proj.weight._data._data", DType::U8, {2, 2}, {0x40, 0x51, 0x02, 0x03});
  writer.fill<float>("a.up_proj.weight._scale", DType::F32, {3, 1}, 2);
  return writer;
}

std::unique_ptr<StoredWeight> open_sized(const MadeCheckpoint& made, int64_t rows, int64_t cols) {
  return open_weight(Module(made.checkpoint(), made.config(), kName, Module::Kind::linear, Module::Size{rows, cols}));
}

TEST(Quanto, AnIntegerShiftIsAZeroPoint) {
  SafetensorsWriter writer = quanto_int4();
  writer.add<int8_t>("a.up_proj.weight._shift", DType::I8, {3, 1}, {1, 0, -1});
  const MadeCheckpoint made(quanto("qint4"), writer);
  EXPECT_EQ(decode(*open_sized(made, 3, 2)), (std::vector<float>{-2, 0, 4, 6, 10, 12}));
  EXPECT_EQ(decode(*open_sized(made, 1, 6)), (std::vector<float>{-2, 0, 4, 6, 10, 12}));
  EXPECT_THROW(open_sized(made, 2, 3), Error);
  EXPECT_THROW(open_sized(made, 4, 2), Error);
}

TEST(Quanto, InputsAndOutputsHaveStaticScales) {
  SafetensorsWriter writer = ones({2, 2}, "a.up_proj.weight._data");
  writer.fill<float>("a.up_proj.weight._scale", DType::F32, {2, 1}, 1);
  expect_error(quanto("qfloat8", "qint8"), writer, {"a.up_proj.input_scale is missing"});
  writer.fill<float>("a.up_proj.input_scale", DType::F32, {}, 0.5f);
  writer.fill<float>("a.up_proj.output_scale", DType::F32, {}, 2);
  const auto inputs = [&](const char* type) {
    const MadeCheckpoint made(quanto("qfloat8", type), writer);
    return made.open(kName)->input_quant();
  };
  EXPECT_EQ(quantized(inputs("qint8"), {100, 0.7f}), (std::vector<float>{63.5f, 0.5f}));
  EXPECT_EQ(quantized(inputs("qfloat8"), {1000, 0.53f}), (std::vector<float>{224, 0.5f}));
  EXPECT_EQ(quantized(inputs("qfloat8_e5m2"), {1000, 0.55f}), (std::vector<float>{1024, 0.5f}));
  EXPECT_EQ(inputs("qint4").element, ActivationQuant::Element::other);
  const MadeCheckpoint made(quanto("qfloat8", "qint8"), writer);
  EXPECT_EQ(made.open(kName)->output_quant().scale, std::vector<float>{2});
}

TEST(Quanto, DamageIsNamed) {
  expect_error(quanto("qint4"), quanto_int4(), {"a.up_proj.weight._shift is missing"});
  SafetensorsWriter writer = quanto_int4();
  writer.fill<float>("a.up_proj.weight._shift", DType::F32, {3, 1}, 0);
  expect_error(quanto("qint4"), writer, {"does not say the shape"});
  expect_error(quanto("qint2"), writer, {"expected [1, group size]", "found U8 [2, 2]"});
  expect_error(quanto("qint8"), writer, {"qint8", "qint4 and qint2 are"});
  expect_error(quanto("none"), writer, {"quanto_qmap.json does not quantize this module"});
  SafetensorsWriter bytes = ones({2, 2}, "a.up_proj.weight._data");
  bytes.fill<float>("a.up_proj.weight._scale", DType::F32, {2, 1}, 1);
  expect_error(quanto("qint8"), bytes, {"weight._data", "expected I8", "found F8_E4M3 [2, 2]"});
}

/// A weight [2, 2] of HQQ, 4 bits, one group a row (axis 1).
struct HqqModule {
  std::vector<int64_t> shape = {2, 2};
  int32_t nbits = 4, group_size = 2, axis = 1;
  std::string packing = "4bit_u8";
  float zero = 1;

  SafetensorsWriter tensors() const {
    SafetensorsWriter writer;
    writer.add<uint8_t>("a.up_proj.W_q", DType::U8, {1, 2}, {0x13, 0x24});
    writer.fill<float>("a.up_proj.scale", DType::F32, {2, 1}, 2);
    writer.fill<float>("a.up_proj.zero", DType::F32, {2, 1}, zero);
    writer.add<int64_t>("a.up_proj.shape", DType::I64, {2}, shape);
    writer.add<int32_t>("a.up_proj.nbits", DType::I32, {}, {nbits});
    writer.add<int32_t>("a.up_proj.group_size", DType::I32, {}, {group_size});
    writer.add<int32_t>("a.up_proj.axis", DType::I32, {}, {axis});
    writer.add<uint8_t>("a.up_proj.packing", DType::U8, {static_cast<int64_t>(packing.size())},
                        std::vector<uint8_t>(packing.begin(), packing.end()));
    return writer;
  }
};

TEST(Hqq, IsRecognisedWithoutAConfig) {
  const MadeCheckpoint made("", HqqModule().tensors());
  EXPECT_EQ(made.config().method(), "hqq");
  EXPECT_EQ(made.open(kName)->format(), "hqq/4-bit");
  EXPECT_EQ(decode(*made.open(kName)), (std::vector<float>{0, 2, 4, 6}));
}

TEST(Hqq, DamageIsNamed) {
  expect_error("", HqqModule{.nbits = 7}.tensors(), {"nbits is 7", "1.58"});
  expect_error("", HqqModule{.axis = 2}.tensors(), {"axis is 2"});
  expect_error("", HqqModule{.group_size = 3}.tensors(), {"groups of 3 do not divide 4 codes"});
  expect_error("", HqqModule{.group_size = -1}.tensors(), {"group_size is -1"});
  expect_error("", HqqModule{.packing = "4bit\xf5"}.tensors(), {"a.up_proj.packing", "expected text"});
  expect_error("", HqqModule{.packing = "2bit_u8"}.tensors(), {"2bit_u8", "4bit_u8 for 4 bits"});
  expect_error("", HqqModule{.shape = {4, 2}}.tensors(), {"W_q", "expected 4 words", "found U8 [1, 2]"});
  expect_error("", HqqModule{.group_size = 1}.tensors(), {"scale", "each of 4 groups", "found F32 [2, 1]"});
  expect_error("", HqqModule{.zero = NAN}.tensors(), {"a.up_proj.zero[0] is nan"});
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{0, 2}, {-2, -2}, {INT64_MAX, 2}, {2, INT64_MAX}, {INT64_MIN, -1}}) {
    expect_error("", HqqModule{.shape = shape}.tensors(), {"shape says"});
  }
}

SafetensorsWriter ternary(uint8_t codes, float scale) {
  SafetensorsWriter writer;
  writer.add<uint8_t>("a.up_proj.weight", DType::U8, {1, 1}, {codes});
  writer.add<uint16_t>("a.up_proj.weight_scale", DType::BF16, {1}, {bf16(scale)});
  return writer;
}

TEST(Bitnet, ScaleDividesOrMultiplies) {
  const char* automatic = R"({"quant_method":"bitnet","linear_class":"autobitlinear"})";
  EXPECT_EQ(decode(R"({"quant_method":"bitnet"})", ternary(0b01100100, 4)), (std::vector<float>{-.25f, 0, .25f, 0}));
  EXPECT_EQ(decode(automatic, ternary(0b01100100, 4)), (std::vector<float>{-4, 0, 4, 0}));
}

TEST(Bitnet, OnlineWeightsBecomeTernaryOnReading) {
  const char* online = R"({"quant_method":"bitnet","linear_class":"autobitlinear","quantization_mode":"online",)"
                       R"("modules_to_not_convert":["a.gate_proj"]})";
  SafetensorsWriter writer;
  for (const char* name : {"a.up_proj.weight", "a.gate_proj.weight", "lm_head.weight"}) {
    writer.add<uint16_t>(name, DType::BF16, {2, 4},
                         {bf16(2), bf16(-.5f), bf16(1), bf16(0), bf16(.25f), bf16(-4), bf16(.25f), bf16(0)});
  }
  // The mean of the magnitudes is 1: 0.5 is rounded to the even 0, 4 is clamped.
  const MadeCheckpoint made(online, writer);
  EXPECT_EQ(decode(*made.open(kName)), (std::vector<float>{1, 0, 1, 0, 0, -1, 0, 0}));
  EXPECT_EQ(made.open(kName)->format(), "bitnet/online");
  EXPECT_EQ(made.open(kName)->input_quant().top, 127);
  EXPECT_EQ(made.open("a.gate_proj")->format(), "dense/bf16");
  EXPECT_EQ(made.open("lm_head")->format(), "dense/bf16");
  SafetensorsWriter nan;
  nan.add<uint16_t>("a.up_proj.weight", DType::BF16, {1, 2}, {bf16(1), bf16(NAN)});
  expect_error(online, nan, {"a.up_proj.weight", "mean", "nan"});
}

TEST(Bitnet, DamageIsNamed) {
  const char* config = R"({"quant_method":"bitnet"})";
  expect_error(config, ternary(0b01110100, 4), {"code of row 2, column 0", "is 3"});
  expect_error(config, ternary(0, 0), {"a.up_proj.weight_scale is 0"});
  SafetensorsWriter normed = ternary(0, 1);
  normed.fill<uint16_t>("a.up_proj.rms_norm.weight", DType::BF16, {1}, bf16(1));
  expect_error(config, normed, {"norm of its own"});
}

TEST(Bitnet, InputsAreRoundedUnderAnInverseScale) {
  const MadeCheckpoint made(R"({"quant_method":"bitnet"})", ternary(0, 1));
  const ActivationQuant quant = made.open(kName)->input_quant();
  EXPECT_EQ(quantized(quant, {127, -3.4f, 0.5f, 1.5f}), (std::vector<float>{127, -3, 0, 2}));
  EXPECT_EQ(quantized(quant, {0, 0}), (std::vector<float>{0, 0}));
}

SafetensorsWriter experts(const std::vector<int64_t>& scales, uint8_t scale) {
  SafetensorsWriter writer;
  writer.fill<uint8_t>("a.up_proj_blocks", DType::U8, {2, 1, 1, 16}, 0x42);
  writer.fill<uint8_t>("a.up_proj_scales", DType::U8, scales, scale);
  return writer;
}

TEST(Mxfp4Experts, DecodeOrSayWhatIsWrong) {
  const char* config = R"({"quant_method":"mxfp4"})";
  const std::vector<float> w = decode(config, experts({2, 1, 1}, 128));
  ASSERT_EQ(w.size(), 64u);
  EXPECT_EQ(w[62], 2);
  EXPECT_EQ(w[63], 4);
  expect_error(config, experts({2, 1, 2}, 128), {"a.up_proj_scales", "expected U8 [2, 1, 1]", "found U8 [2, 1, 2]"});
  expect_error(config, experts({2, 1, 1}, 255), {"a.up_proj_scales", "is nan"});
}

TEST(NvfpInputs, UnderAMultiplierBecomeZeroWhenTheirScaleDoes) {
  ActivationQuant quant;
  quant.element = ActivationQuant::Element::e2m1;
  quant.scope = ActivationQuant::Scope::group;
  quant.group_size = 2;
  quant.scale_rule = ActivationQuant::ScaleRule::nvfp4_multiply;
  quant.global_scale = 0.5f;
  EXPECT_EQ(quantized(quant, {3, -1, 1e-6f, 0}), (std::vector<float>{3, -1, 0, 0}));
}

TEST(PowerOfTwoInputs, RoundTheirScaleUp) {
  ActivationQuant quant;
  quant.element = ActivationQuant::Element::e4m3;
  quant.scope = ActivationQuant::Scope::group;
  quant.group_size = 2;
  quant.scale_rule = ActivationQuant::ScaleRule::power_of_two;
  // 448 needs a scale of 1, 449 one of 2.
  EXPECT_EQ(quantized(quant, {448, 1.125f, 449, 17}), (std::vector<float>{448, 1.125f, 448, 16}));
}

}  // namespace
}  // namespace assay

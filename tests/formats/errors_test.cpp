#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "formats/made_checkpoint.h"
#include "support/errors.h"

// What is wrong with a checkpoint must be said by name: module, tensor, what was found, what was expected.
namespace assay {
namespace {

using test::error_of;
using test::expect_says;
using test::MadeCheckpoint;
using test::one_group;
using test::SafetensorsWriter;

constexpr const char* kInt4Group32 = R"({"num_bits":4,"type":"int","strategy":"group","group_size":32})";
constexpr const char* kInt4Asymmetric =
    R"({"num_bits":4,"type":"int","strategy":"group","group_size":32,"symmetric":false})";
constexpr const char* kFp8Rows = R"({"num_bits":8,"type":"float","strategy":"channel"})";
constexpr const char* kNvfp4 = R"({"num_bits":4,"type":"float","strategy":"tensor_group","group_size":16})";
constexpr const char* kMxfp4 = R"({"num_bits":4,"type":"float","strategy":"group","group_size":32})";

std::string open_error(const std::string& config, const SafetensorsWriter& tensors) {
  const MadeCheckpoint made(config, tensors);
  return error_of([&] { made.open("a.up_proj"); });
}

std::string decode_error(const std::string& config, const SafetensorsWriter& tensors) {
  const MadeCheckpoint made(config, tensors);
  const auto weight = made.open("a.up_proj");
  return error_of([&] { made.decode("a.up_proj"); });
}

/// Packed 4-bit weight [8, 64], groups of 32.
struct Packed {
  std::vector<uint16_t> scales = std::vector<uint16_t>(16, test::bf16(0.5f));
  std::vector<int64_t> shape = {8, 64};
  int64_t width = 8;

  SafetensorsWriter tensors() const {
    SafetensorsWriter writer;
    writer.fill<int32_t>("a.up_proj.weight_packed", DType::I32, {8, width}, 0x76543210);
    writer.add<uint16_t>("a.up_proj.weight_scale", DType::BF16, {8, 2}, scales);
    writer.add<int64_t>("a.up_proj.weight_shape", DType::I64, {2}, shape);
    return writer;
  }
};

TEST(FormatErrors, NameTheMethodThatIsNotSupported) {
  SafetensorsWriter plain;
  plain.fill<uint16_t>("a.up_proj.weight", DType::BF16, {2, 2}, 0);
  for (const char* method : {"bogus", "compressed-tensor"}) {
    const std::string message = open_error(fmt::format(R"({{"quant_method":"{}"}})", method), plain);
    expect_says(message, {"a.up_proj", method, "not supported", "compressed-tensors"});
  }
  expect_says(open_error(R"({"quant_method":"compressed-tensor"})", plain), {"Did you mean compressed-tensors?"});
}

TEST(FormatErrors, SayWhatAKnownMethodIsThatIsNotDecoded) {
  SafetensorsWriter plain;
  plain.fill<uint16_t>("a.up_proj.weight", DType::BF16, {2, 2}, 0);
  for (const char* method : {"eetq", "spqr", "higgs", "fp_quant"}) {
    const std::string message = open_error(fmt::format(R"({{"quant_method":"{}"}})", method), plain);
    expect_says(message, {"a.up_proj", method, "is known, but not decoded by this version", "compressed-tensors"});
  }
}

TEST(FormatErrors, ShowTheWholePictureOfAnUnknownLayout) {
  SafetensorsWriter writer;
  writer.fill<int32_t>("a.up_proj.qweight", DType::I32, {4, 8}, 0);
  writer.fill<uint8_t>("a.up_proj.strange", DType::U8, {3}, 0);
  writer.fill<uint8_t>("a.up_proj_b.weight", DType::U8, {3}, 0);
  const std::string message = open_error(one_group(kInt4Group32), writer);
  expect_says(message, {"a.up_proj:", "a.up_proj.qweight I32 [4, 8]", "a.up_proj.strange U8 [3]", "weight_packed I32",
                        "config.json: quantization_config", "config_groups"});
  EXPECT_EQ(message.find("up_proj_b"), std::string::npos);
}

TEST(FormatErrors, NameTheFormatsThatStoreSuchTensorsWhenTheConfigDeniesThem) {
  SafetensorsWriter gptq;
  gptq.fill<int32_t>("a.up_proj.qweight", DType::I32, {8, 8}, 0);
  gptq.fill<int32_t>("a.up_proj.qzeros", DType::I32, {2, 1}, 0);
  gptq.fill<uint16_t>("a.up_proj.scales", DType::F16, {2, 8}, 0);
  gptq.fill<int32_t>("a.up_proj.g_idx", DType::I32, {64}, 0);
  expect_says(open_error("", gptq), {"declares no quantization", "gptq/gptq|gptq_v2|gptq_p", "restore"});
  expect_says(open_error(R"({"quant_method":"fp8"})", gptq), {"the config says fp8", "gptq/"});
  SafetensorsWriter packed = Packed().tensors();
  expect_says(open_error("", packed), {"declares no quantization", "compressed-tensors/pack-quantized"});
  expect_says(open_error(R"({"quant_method":"modelopt","quant_algo":"NVFP4"})", packed),
              {"the config says modelopt", "compressed-tensors/pack-quantized"});
}

TEST(FormatErrors, SayThatAModuleIsNotThere) {
  SafetensorsWriter writer;
  writer.fill<uint16_t>("b.weight", DType::BF16, {2, 2}, 0);
  expect_says(open_error("", writer), {"a.up_proj", "no such module"});
}

TEST(FormatErrors, DoNotTakeAFloatWeightWithForeignParametersForPlain) {
  SafetensorsWriter writer;
  writer.fill<uint16_t>("a.up_proj.weight", DType::BF16, {2, 2}, 0);
  writer.fill<float>("a.up_proj.weight_scale_inv", DType::F32, {1, 1}, 1);
  expect_says(open_error("", writer), {"a.up_proj.weight_scale_inv F32 [1, 1]", "no known layout"});
}

TEST(FormatErrors, NameAMissingScale) {
  SafetensorsWriter writer;
  writer.fill<uint8_t>("a.up_proj.weight", DType::F8_E4M3, {4, 32}, 0x38);
  expect_says(open_error(one_group(kFp8Rows), writer), {"a.up_proj", "a.up_proj.weight_scale is missing"});
}

TEST(FormatErrors, NameAScaleOfTheWrongShapeOrType) {
  SafetensorsWriter shape;
  shape.fill<uint8_t>("a.up_proj.weight", DType::F8_E4M3, {4, 32}, 0x38);
  shape.fill<uint16_t>("a.up_proj.weight_scale", DType::BF16, {3, 1}, test::bf16(1));
  expect_says(open_error(one_group(kFp8Rows), shape),
              {"a.up_proj.weight_scale", "expected [4, 1] scales", "found BF16 [3, 1]"});
  SafetensorsWriter type;
  type.fill<uint8_t>("a.up_proj.weight", DType::F8_E4M3, {4, 32}, 0x38);
  type.fill<int32_t>("a.up_proj.weight_scale", DType::I32, {4, 1}, 1);
  expect_says(open_error(one_group(kFp8Rows), type), {"weight_scale", "expected floats", "found I32 [4, 1]"});
}

TEST(FormatErrors, NameAGroupSizeThatDoesNotFit) {
  const std::string config = one_group(R"({"num_bits":4,"type":"int","strategy":"group","group_size":16})");
  expect_says(open_error(config, Packed().tensors()),
              {"a.up_proj.weight_scale", "expected [8, 4] scales", "found BF16 [8, 2]"});
}

TEST(FormatErrors, SayThatTheConfigContradictsTheTensors) {
  expect_says(open_error(one_group(kFp8Rows), Packed().tensors()), {"a.up_proj", "8-bit float", "integers"});
  SafetensorsWriter fp4;
  fp4.fill<uint8_t>("a.up_proj.weight_packed", DType::U8, {4, 16}, 0);
  fp4.fill<uint8_t>("a.up_proj.weight_scale", DType::U8, {4, 1}, 127);
  expect_says(open_error(one_group(kInt4Group32), fp4), {"4-bit int", "4-bit floats in groups of 32"});
}

TEST(FormatErrors, RefusePackedShapesThatDoNotAgree) {
  Packed wide;
  wide.width = 9;
  expect_says(open_error(one_group(kInt4Group32), wide.tensors()), {"take 8 words", "found I32 [8, 9]"});
  for (std::vector<int64_t> shape :
       {std::vector<int64_t>{7, 64}, {8, 65}, {8, 0}, {8, -64}, {8, INT64_MAX}, {8, INT64_MIN}}) {
    Packed packed;
    packed.shape = shape;
    expect_says(open_error(one_group(kInt4Group32), packed.tensors()), {"weight_shape says", "I32 [8, 8]"});
  }
}

TEST(FormatErrors, NeedToKnowTheBitsOfPackedCodes) {
  expect_says(open_error(R"({"quant_method":"compressed-tensors"})", Packed().tensors()), {"no group of the config"});
}

TEST(FormatErrors, NameAScaleThatIsNotFinite) {
  Packed packed;
  packed.scales[5] = 0x7FC0;  // NaN
  expect_says(decode_error(one_group(kInt4Group32), packed.tensors()),
              {"a.up_proj: a.up_proj.weight_scale[2, 1] is nan", "finite"});
  packed.scales[5] = 0x7F80;
  expect_says(decode_error(one_group(kInt4Group32), packed.tensors()), {"weight_scale[2, 1] is inf"});
}

TEST(FormatErrors, FindABadScaleInWhateverTileItStands) {
  Packed packed;
  packed.scales[15] = 0x7FC0;
  const MadeCheckpoint made(one_group(kInt4Group32), packed.tensors());
  const auto weight = made.open("a.up_proj");
  std::vector<float> out(8 * 64);
  EXPECT_NO_THROW(weight->decode(0, 7, out.data()));
  expect_says(error_of([&] { weight->decode(7, 8, out.data()); }), {"weight_scale[7, 1] is nan"});
}

TEST(FormatErrors, NameMxAndNvfp4ScalesThatAreNan) {
  SafetensorsWriter mx;
  mx.fill<uint8_t>("a.up_proj.weight_packed", DType::U8, {2, 32}, 0x11);
  mx.add<uint8_t>("a.up_proj.weight_scale", DType::U8, {2, 2}, {127, 127, 255, 127});
  expect_says(decode_error(one_group(kMxfp4), mx), {"weight_scale[1, 0] is nan"});
  for (const auto& [scale, global, part] :
       {std::tuple(0x7F, 1.0f, "weight_scale[0, 0] is nan"), std::tuple(0x38, NAN, "weight_global_scale[0] is nan"),
        std::tuple(0x38, 0.0f, "weight_global_scale")}) {
    SafetensorsWriter nv;
    nv.fill<uint8_t>("a.up_proj.weight_packed", DType::U8, {1, 8}, 0x11);
    nv.fill<uint8_t>("a.up_proj.weight_scale", DType::F8_E4M3, {1, 1}, static_cast<uint8_t>(scale));
    nv.fill<float>("a.up_proj.weight_global_scale", DType::F32, {1}, global);
    expect_says(decode_error(one_group(kNvfp4), nv), {"a.up_proj", part});
  }
}

TEST(FormatErrors, NameAColumnGroupOutOfRange) {
  for (int32_t group : {2, -2, INT32_MAX}) {
    std::vector<int32_t> groups(64, 1);
    groups[9] = group;
    SafetensorsWriter writer = Packed().tensors();
    writer.add<int32_t>("a.up_proj.weight_g_idx", DType::I32, {64}, groups);
    const std::string found = fmt::format("weight_g_idx[9] is {}", group);
    expect_says(decode_error(one_group(kInt4Group32), writer), {found.c_str(), "from 0 to 1"});
  }
  SafetensorsWriter writer = Packed().tensors();
  writer.fill<int32_t>("a.up_proj.weight_g_idx", DType::I32, {63}, 0);
  expect_says(open_error(one_group(kInt4Group32), writer), {"weight_g_idx", "expected I32 [64]", "found I32 [63]"});
}

TEST(FormatErrors, NameZeroPointsThatAreMissingOrMisshapen) {
  expect_says(open_error(one_group(kInt4Asymmetric), Packed().tensors()), {"asymmetric", "weight_zero_point"});
  SafetensorsWriter writer = Packed().tensors();
  writer.fill<int32_t>("a.up_proj.weight_zero_point", DType::I32, {2, 2}, 0);
  expect_says(open_error(one_group(kInt4Asymmetric), writer), {"weight_zero_point", "expected I32 [1, 2]"});
}

SafetensorsWriter two_of_four(uint8_t mask) {
  SafetensorsWriter writer;
  writer.fill<uint16_t>("a.up_proj.compressed", DType::BF16, {2, 8}, test::bf16(1));
  writer.add<uint8_t>("a.up_proj.bitmask", DType::U8, {2, 2}, {0x33, 0x33, 0x33, mask});
  writer.add<int64_t>("a.up_proj.shape", DType::I64, {2, 1}, {2, 16});
  return writer;
}

TEST(FormatErrors, NameMasksThatDoNotKeepTwoOfFour) {
  const std::string sparse = R"({"quant_method":"compressed-tensors"})";
  EXPECT_EQ(MadeCheckpoint(sparse, two_of_four(0xCA)).decode("a.up_proj")[24 + 1], 1);
  expect_says(decode_error(sparse, two_of_four(0x37)), {"a.up_proj", "bitmask of row 1", "columns from 8"});
  expect_says(decode_error(sparse, two_of_four(0x13)), {"bitmask of row 1", "columns from 12"});
}

SafetensorsWriter any_mask(const std::vector<int64_t>& offsets, uint8_t last_mask = 0x01) {
  SafetensorsWriter writer;
  writer.fill<uint16_t>("a.up_proj.compressed", DType::BF16, {4}, test::bf16(1));
  writer.add<uint8_t>("a.up_proj.bitmask", DType::U8, {2, 1}, {0x07, last_mask});
  writer.add<int64_t>("a.up_proj.row_offsets", DType::I64, {2}, offsets);
  writer.add<int64_t>("a.up_proj.shape", DType::I64, {2}, {2, 6});
  return writer;
}

TEST(FormatErrors, NameRowsWhoseMaskAndValuesDisagree) {
  const std::string sparse = R"({"quant_method":"compressed-tensors"})";
  EXPECT_EQ(MadeCheckpoint(sparse, any_mask({0, 3})).decode("a.up_proj"),
            (std::vector<float>{1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0}));
  for (std::vector<int64_t> offsets :
       {std::vector<int64_t>{0, 2}, {1, 3}, {0, 5}, {-1, 2}, {3, 0}, {INT64_MIN, INT64_MAX}}) {
    expect_says(decode_error(sparse, any_mask(offsets)), {"a.up_proj: row", "bitmask keeps"});
  }
  expect_says(decode_error(sparse, any_mask({0, 3}, 0x81)), {"row 1"});
}

TEST(FormatErrors, RefuseAFlatBitmask) {
  SafetensorsWriter writer;
  writer.fill<uint16_t>("a.up_proj.compressed", DType::BF16, {4}, 0);
  writer.fill<uint8_t>("a.up_proj.bitmask", DType::U8, {2}, 3);
  writer.add<int64_t>("a.up_proj.row_offsets", DType::I64, {2}, {0, 2});
  writer.add<int64_t>("a.up_proj.shape", DType::I64, {2}, {2, 6});
  expect_says(open_error(R"({"quant_method":"compressed-tensors"})", writer),
              {"bitmask", "expected U8 [any, any]", "found U8 [2]"});
}

SafetensorsWriter marlin(uint16_t meta) {
  SafetensorsWriter writer;
  writer.fill<int32_t>("a.up_proj.weight_packed", DType::I32, {1, 128}, 0);
  writer.fill<uint16_t>("a.up_proj.meta", DType::I16, {1, 128}, meta);
  writer.fill<uint16_t>("a.up_proj.scale_packed", DType::F16, {1, 64}, 0x3C00);
  return writer;
}

TEST(FormatErrors, NameMarlinPlacesThatAreNotTwoInOrder) {
  const std::string config = one_group(R"({"num_bits":4,"type":"int","strategy":"channel"})");
  EXPECT_EQ(MadeCheckpoint(config, marlin(0xE4E4)).decode("a.up_proj")[0], -8);
  expect_says(decode_error(config, marlin(0xE4E1)), {"a.up_proj", "meta", "row 0, columns 0 to 3", "1 and 0"});
  expect_says(decode_error(config, marlin(0xE4E5)), {"a.up_proj", "meta", "1 and 1"});
}

TEST(FormatErrors, RefuseEmptyAndFlatWeights) {
  SafetensorsWriter empty;
  empty.fill<uint16_t>("a.up_proj.weight", DType::BF16, {0, 4}, 0);
  expect_says(open_error("", empty), {"empty", "BF16 [0, 4]"});
  SafetensorsWriter flat;
  flat.fill<uint16_t>("a.up_proj.weight", DType::BF16, {4}, 0);
  expect_says(open_error("", flat), {"expected a matrix", "BF16 [4]"});
}

TEST(FormatErrors, RefuseActivationSchemesThatCannotBeEmulated) {
  SafetensorsWriter writer;
  writer.fill<uint8_t>("a.up_proj.weight", DType::F8_E4M3, {4, 32}, 0x38);
  writer.fill<uint16_t>("a.up_proj.weight_scale", DType::BF16, {4, 1}, test::bf16(1));
  const auto config = [](const char* input) {
    return one_group(kFp8Rows, fmt::format(R"(,"input_activations":{})", input));
  };
  // Weights are whole, so that only who wants to emulate is refused.
  const auto error = [&](const char* input) {
    const MadeCheckpoint made(config(input), writer);
    EXPECT_EQ(made.decode("a.up_proj").size(), 4u * 32);
    const ActivationQuant quant = made.open("a.up_proj")->input_quant();
    EXPECT_TRUE(quant.active());
    return error_of([&] { emulated(quant); });
  };
  expect_says(error(R"({"num_bits":8,"type":"float","strategy":"tensor","dynamic":true})"),
              {"a.up_proj", "cannot emulate", "tensor", "--activations none"});
  expect_says(error(R"({"num_bits":6,"type":"float","strategy":"token","dynamic":true})"), {"cannot emulate", "6-bit"});
  expect_says(error(R"({"num_bits":8,"type":"float","strategy":"group","group_size":24,"dynamic":true})"),
              {"cannot emulate", "do not divide 32 columns"});
  constexpr const char* kStatic = R"({"num_bits":8,"type":"float","strategy":"tensor"})";
  expect_says(open_error(config(kStatic), writer), {"a.up_proj.input_scale is missing"});
  writer.fill<uint16_t>("a.up_proj.input_scale", DType::BF16, {1}, test::bf16(0));
  expect_says(open_error(config(kStatic), writer), {"input_scale[0] is 0", "positive"});
}

}  // namespace
}  // namespace assay

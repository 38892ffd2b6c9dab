#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/made_checkpoint.h"
#include "support/errors.h"

// GPTQ, AWQ, AutoRound, QQQ: what the fixtures of their tools do not show, and damage.
namespace assay {
namespace {

using test::expect_says;
using test::MadeCheckpoint;
using test::SafetensorsWriter;

constexpr uint16_t kHalf = 0x3800, kOne = 0x3C00;  // F16

/// The message of the Error that opening and decoding "m" ends in.
std::string error_of(const std::string& config, const SafetensorsWriter& tensors) {
  return test::error_of([&] { MadeCheckpoint(config, tensors).decode("m"); });
}

/// codes [in][out] down the columns, as a stream: [ceil(in * bits / 32), out].
std::vector<int32_t> pack_columns(const std::vector<std::vector<int>>& codes, int bits) {
  const size_t outputs = codes[0].size(), words = (codes.size() * bits + 31) / 32;
  std::vector<uint32_t> packed(words * outputs);
  for (size_t o = 0; o < outputs; ++o) {
    for (size_t i = 0; i < codes.size(); ++i) {
      for (int b = 0; b < bits; ++b) {
        const size_t bit = i * bits + b;
        packed[bit / 32 * outputs + o] |= static_cast<uint32_t>(codes[i][o] >> b & 1) << bit % 32;
      }
    }
  }
  return {packed.begin(), packed.end()};
}

/// Codes [in][out] that differ from place to place.
std::vector<std::vector<int>> some_codes(int in, int out, int bits) {
  std::vector<std::vector<int>> codes(in, std::vector<int>(out));
  for (int i = 0; i < in; ++i) {
    for (int o = 0; o < out; ++o) codes[i][o] = (7 * i + 3 * o + i * o) % (1 << bits);
  }
  return codes;
}

/// Module "m" [8, 64] of 4 bits in two groups, zero points as `zeros`.
struct Gptq4 {
  std::string extra = R"("checkpoint_format":"gptq")";
  int bits = 4;
  std::vector<int32_t> zeros = {0x77777777, 0x77777777};
  std::vector<uint16_t> scales = std::vector<uint16_t>(16, kOne);
  std::vector<int32_t> groups;  // g_idx, unless empty
  int64_t height = 8;
  std::vector<std::vector<int>> codes = some_codes(64, 8, 4);

  std::string config() const {
    return fmt::format(R"({{"quant_method":"gptq","bits":{},"group_size":32,{}}})", bits, extra);
  }
  SafetensorsWriter tensors() const {
    SafetensorsWriter writer;
    auto words = pack_columns(codes, 4);
    words.resize(height * 8);
    writer.add<int32_t>("m.qweight", DType::I32, {height, 8}, words);
    writer.add<int32_t>("m.qzeros", DType::I32, {2, 1}, zeros);
    writer.add<uint16_t>("m.scales", DType::F16, {2, 8}, scales);
    if (!groups.empty()) writer.add<int32_t>("m.g_idx", DType::I32, {static_cast<int64_t>(groups.size())}, groups);
    return writer;
  }
  std::vector<float> decode() const { return MadeCheckpoint(config(), tensors()).decode("m"); }
  std::string error() const { return error_of(config(), tensors()); }
};

TEST(Gptq, StoresZeroPointsMinusOneUnlessTheFormatIsNewer) {
  Gptq4 old, v2;
  v2.extra = R"("checkpoint_format":"gptq_v2")";
  Gptq4 unnamed;
  unnamed.extra = R"("sym":true)";
  const auto w = old.decode();
  EXPECT_EQ(w, unnamed.decode());
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(w[3 * 64 + i], old.codes[i][3] - 8);
    EXPECT_EQ(v2.decode()[3 * 64 + i], old.codes[i][3] - 7);
  }
}

TEST(Gptq, AZeroPointOfZeroBorrowedFromItsNeighbours) {
  Gptq4 made;
  // Zero points 0 5 5 5 5 5 5 5, less 1 in every field of the word.
  made.zeros = {static_cast<int32_t>(0x55555550u - 0x11111111u), 0x77777777};
  const auto w = made.decode();
  EXPECT_EQ(w[0], made.codes[0][0]);
  for (int o = 1; o < 8; ++o) EXPECT_EQ(w[o * 64], made.codes[0][o] - 5) << o;
}

TEST(Gptq, TakesGroupsOfColumnsFromTheIndex) {
  Gptq4 made;
  made.groups.assign(64, 0);
  for (int i = 0; i < 64; ++i) made.groups[i] = i % 3 == 0;
  for (int o = 0; o < 8; ++o) made.scales[8 + o] = kHalf;
  const auto w = made.decode();
  for (int i = 0; i < 64; ++i) EXPECT_EQ(w[i], (made.codes[i][0] - 8) * (i % 3 == 0 ? 0.5f : 1.0f));
}

TEST(Gptq, NeedsTheIndexWhereColumnsAreOutOfOrder) {
  Gptq4 made;
  made.extra = R"("desc_act":true)";
  expect_says(made.error(), {"m.g_idx is missing", "desc_act"});
  made.groups.assign(64, 0);
  EXPECT_NO_THROW(made.decode());
  Gptq4 plain;
  plain.extra = R"("desc_act":true,"dynamic":{"m":{"desc_act":false}})";
  EXPECT_EQ(plain.decode(), Gptq4().decode());
}

TEST(Gptq, AnIndexOfZerosMeansNaturalGroups) {
  Gptq4 made;
  for (int o = 0; o < 8; ++o) made.scales[8 + o] = kHalf;
  const auto natural = made.decode();
  made.groups.assign(64, 0);
  EXPECT_EQ(made.decode(), natural);
}

TEST(Gptq, TheTensorsSayWhichOfSeveralOverridesHolds) {
  Gptq4 made;
  made.bits = 8;
  made.extra = R"("dynamic":{"-:.*other.*":{}, ".*":{"bits":3}, "+:m":{"bits":4}})";
  EXPECT_EQ(made.decode(), Gptq4().decode());
}

TEST(Gptq, RefusesBitsThatAreNotThoseOfTheTensorsOrDoNotExist) {
  for (int bits : {2, 3, 8, 1, 9, 16}) {
    Gptq4 made;
    made.bits = bits;
    made.groups.assign(64, 0);
    expect_says(made.error(), {"m: ", "m.qweight I32 [8, 8]", "m.qzeros I32 [2, 1]", std::to_string(bits).c_str()});
  }
  Gptq4 made;
  made.bits = 0;
  expect_says(made.error(), {"bits", "2 to 8"});
}

TEST(Gptq, FiveToSevenBitsArePlanarWhateverTheConfigSays) {
  ASSAY_REQUIRE_FIXTURES();
  const std::filesystem::path folder = test::fixtures() / "gptq/planar_2to7";
  const test::TempDir plain;
  std::string config = test::read_text(folder / "config.json");
  for (size_t at = 0; (at = config.find("\"gptq_p\"", at)) != std::string::npos;) config.replace(at, 8, "\"gptq\"");
  test::write_text(plain / "config.json", config);
  std::filesystem::create_symlink(folder / "model.safetensors", plain / "model.safetensors");
  const Checkpoint declared = Checkpoint::open(folder), denied = Checkpoint::open(plain.path());
  const QuantConfig planar = QuantConfig::of(declared), stream = QuantConfig::of(denied);
  const auto decoded = [](const Checkpoint& checkpoint, const QuantConfig& quant, const std::string& module) {
    const auto weight = open_weight(Module(checkpoint, quant, module));
    std::vector<float> values(weight->rows() * weight->cols());
    weight->decode(0, weight->rows(), values.data());
    return values;
  };
  for (const char* module : {"model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj",
                             "model.layers.1.self_attn.q_proj", "lm_head"}) {  // 5, 6, 7, 6 bits
    EXPECT_EQ(decoded(denied, stream, module), decoded(declared, planar, module)) << module;
  }
  const char* three_bits = "model.layers.1.mlp.down_proj";
  EXPECT_NE(decoded(denied, stream, three_bits), decoded(declared, planar, three_bits));
}

TEST(Gptq, RefusesFormatsByName) {
  for (const char* extra : {R"("checkpoint_format":"marlin")", R"("is_marlin_format":true)"}) {
    Gptq4 made;
    made.extra = extra;
    expect_says(made.error(), {"m: ", "marlin", "B and s", "not supported", "gptq_v2"});
  }
  Gptq4 tiles;
  tiles.extra = R"("checkpoint_format":"bitblas")";
  expect_says(tiles.error(), {"bitblas", "not supported", "gptq_v2"});
  Gptq4 odd;
  odd.extra = R"("checkpoint_format":"gptq")";
  odd.bits = 5;
  odd.groups.assign(64, 0);
  expect_says(odd.error(), {"5 bits"});
}

TEST(Gptq, NamesAGroupOutOfRange) {
  for (int bad : {2, -1, INT32_MIN, INT32_MAX}) {
    Gptq4 made;
    made.groups.assign(64, 1);
    made.groups[17] = bad;
    expect_says(made.error(), {"m.g_idx[17]", std::to_string(bad).c_str(), "0 to 1"});
  }
}

TEST(Gptq, NamesGroupsThatDoNotFitAndScalesThatAreNotFinite) {
  Gptq4 made;
  made.height = 16;
  expect_says(made.error(), {"m: ", "groups of 32", "F16 [2, 8]"});
  Gptq4 nan;
  nan.scales[9] = 0x7E00;
  expect_says(nan.error(), {"m.scales[1, 1]", "finite"});
}

TEST(Gptq, NamesAMissingTensorAndAWrongShape) {
  SafetensorsWriter writer;
  writer.fill<int32_t>("m.qweight", DType::I32, {8, 8}, 0);
  expect_says(error_of(Gptq4().config(), writer), {"m.scales is missing"});
  writer.fill<uint16_t>("m.scales", DType::F16, {2, 8}, kOne);
  expect_says(error_of(Gptq4().config(), writer), {"m.qzeros is missing"});
  writer.fill<int32_t>("m.qzeros", DType::I32, {3, 1}, 0);
  expect_says(error_of(Gptq4().config(), writer), {"m.qzeros", "expected I32 [2, any]", "found I32 [3, 1]"});
}

constexpr const char* kAwq3 = R"({"quant_method":"awq","bits":3,"group_size":-1,"version":"gemm"})";
constexpr const char* kAwq4 = R"({"quant_method":"awq","w_bit":4,"q_group_size":32,"version":"gemm"})";

/// The transpose of pack_columns: codes [in][out] along the rows.
std::vector<int32_t> pack_rows(const std::vector<std::vector<int>>& codes, int bits) {
  std::vector<int32_t> packed;
  for (const auto& row : codes) {
    std::vector<std::vector<int>> column;
    for (int code : row) column.push_back({code});
    for (int32_t word : pack_columns(column, bits)) packed.push_back(word);
  }
  return packed;
}

TEST(Awq, OtherWidthsThanFourAreAStreamOfOutputs) {
  const auto codes = some_codes(4, 32, 3);
  SafetensorsWriter writer;
  writer.add<int32_t>("m.qweight", DType::I32, {4, 3}, pack_rows(codes, 3));
  writer.add<int32_t>("m.qzeros", DType::I32, {1, 3}, pack_rows(some_codes(1, 32, 3), 3));
  writer.fill<uint16_t>("m.scales", DType::F16, {1, 32}, kHalf);
  const MadeCheckpoint made(kAwq3, writer);
  const auto w = made.decode("m");
  for (int o = 0; o < 32; ++o) {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(w[o * 4 + i], static_cast<float>(codes[i][o] - 3 * o % 8) * 0.5f);
  }
  std::vector<float> row(4);
  made.open("m")->decode(21, 22, row.data());  // straddles words
  EXPECT_EQ(row, std::vector<float>(w.begin() + 84, w.begin() + 88));
}

TEST(Awq, NamesWhatIsWrong) {
  SafetensorsWriter writer;
  writer.fill<int32_t>("m.qweight", DType::I32, {64, 2}, 0);
  expect_says(error_of(kAwq4, writer), {"m.scales is missing"});
  writer.fill<uint16_t>("m.scales", DType::F16, {4, 16}, kOne);
  expect_says(error_of(kAwq4, writer), {"m.qzeros is missing"});
  writer.fill<int32_t>("m.qzeros", DType::I32, {4, 2}, 0);
  expect_says(error_of(kAwq4, writer), {"m.scales", "2 groups of 32 for 64 columns", "F16 [4, 16]"});
  expect_says(error_of(R"({"quant_method":"awq","bits":2})", writer),
              {"m.qweight", "2 bits", "16 outputs", "I32 [64, 2]"});
  expect_says(error_of(R"({"quant_method":"awq","bits":9})", writer), {"bits", "2 to 8"});

  SafetensorsWriter gemv;
  gemv.fill<int32_t>("m.qweight", DType::I32, {16, 8}, 0);
  gemv.fill<int32_t>("m.qzeros", DType::I32, {16, 4}, 0);
  gemv.fill<uint16_t>("m.scales", DType::F16, {16, 8}, kOne);
  expect_says(error_of(kAwq4, gemv), {"m.scales", "expected", "[16, 32]", "found F16 [16, 8]"});

  SafetensorsWriter fast;
  fast.fill<int16_t>("m.qweight", DType::I16, {4, 96}, 0);
  expect_says(error_of(kAwq4, fast), {"m.qweight", "multiple of 64", "I16 [4, 96]"});
}

/// A config of 4-bit floats with more settings.
std::string auto_round(const std::string& rest) {
  return R"({"quant_method":"intel/auto-round","group_size":32,)" + rest + "}";
}

TEST(AutoRound, ExactNamesBeatPatternsWhichAreFoundAnywhere) {
  SafetensorsWriter writer;
  writer.add<int32_t>("a.m.x.qweight", DType::I32, {6, 32}, pack_columns(some_codes(64, 32, 3), 3));
  writer.fill<int32_t>("a.m.x.qzeros", DType::I32, {2, 3}, 0);
  writer.fill<uint16_t>("a.m.x.scales", DType::F16, {2, 32}, kOne);
  const auto opens = [&](const std::string& extra) {
    const MadeCheckpoint made(auto_round(R"("bits":2,"extra_config":)" + extra), writer);
    return made.decode("a.m.x")[64 + 5];
  };
  const auto code = static_cast<float>(some_codes(64, 32, 3)[5][1]);
  EXPECT_EQ(opens(R"({"m\\.[xy]":{"bits":3}})"), code);
  EXPECT_EQ(opens(R"({"m\\.[xy]":{"bits":4}, "a.m.x":{"bits":3}})"), code);
  EXPECT_THROW(opens(R"({"^m":{"bits":3}})"), Error);
  EXPECT_THROW(opens(R"({"m\\.[xy]":{"bits":3}, "a.m.x":{"bits":4}})"), Error);
}

TEST(AutoRound, OldReleasesNameAKernelInsteadOfThePacking) {
  Gptq4 made;
  const auto decode = [&](const char* backend) {
    return MadeCheckpoint(auto_round(fmt::format(R"("bits":4,"backend":"{}")", backend)), made.tensors()).decode("m");
  };
  const auto minus_one = decode("auto_round:auto_gptq"), raw = decode("auto_round");
  EXPECT_NE(minus_one, raw);
  for (const char* backend : {"auto_round:exllamav2", "autoround:exllamav2", "auto-round:triton"}) {
    EXPECT_EQ(decode(backend), raw) << backend;
  }
  for (const char* backend : {"gptq:exllamav2", "auto_gptq:triton"}) EXPECT_EQ(decode(backend), minus_one) << backend;
}

TEST(AutoRound, UnsignedScalesOfFiveAndThreeBits) {
  SafetensorsWriter writer;
  writer.fill<uint8_t>("m.weight_packed", DType::U8, {4, 8}, 0x22);  // 1, 1
  writer.add<uint8_t>("m.weight_scale", DType::U8, {4, 1}, {1, 15 << 3, 15 << 3 | 4, 254});
  const auto w = MadeCheckpoint(auto_round(R"("bits":4,"data_type":"nvfp4_v2")"), writer).decode("m");
  const float expected[] = {std::ldexp(1.0f, -17), 1, 1.5f, 114688};
  for (int row = 0; row < 4; ++row) EXPECT_EQ(w[row * 16], expected[row]);
}

TEST(AutoRound, NamesWhatIsWrong) {
  SafetensorsWriter writer;
  writer.fill<uint8_t>("m.weight_packed", DType::U8, {4, 16}, 0x22);
  const std::string mx = auto_round(R"("bits":4,"data_type":"mx_fp")");
  expect_says(error_of(mx, writer), {"m.weight_scale is missing"});
  writer.fill<uint8_t>("m.weight_scale", DType::U8, {4, 1}, 255);
  expect_says(error_of(mx, writer), {"m.weight_scale[0, 0]", "nan"});
  expect_says(error_of(auto_round(R"("bits":4,"data_type":"nv_fp")"), writer), {"F8_E4M3", "found U8 [4, 1]"});
  expect_says(error_of(auto_round(R"("bits":4,"data_type":"zz")"), writer), {"4 bits of data_type \"zz\""});
  expect_says(error_of(auto_round(R"("bits":6,"data_type":"mx_fp")"), writer), {"6 bits"});
  expect_says(error_of(auto_round(R"("bits":4,"data_type":"mx_fp","act_bits":4,"act_data_type":"odd")"), writer),
              {"cannot emulate 4-bit \"odd\""});
  SafetensorsWriter packed;
  packed.fill<int32_t>("m.qweight", DType::I32, {8, 8}, 0);
  expect_says(error_of(auto_round(R"("bits":4,"packing_format":"auto_round:odd")"), packed), {"auto_round:odd"});
}

/// A weight [64, 32] in Marlin's tiles: word 1 of the second tile row holds codes 1 to 8, all others 8.
SafetensorsWriter marlin(const std::string& codes, const std::string& scales, int64_t groups) {
  SafetensorsWriter writer;
  std::vector<uint32_t> words(256, 0x88888888);
  words[128 + 4 * 5 + 1] = 0x87654321;
  writer.add<uint32_t>(codes, DType::I32, {2, 128}, words);
  std::vector<uint16_t> values(64 * groups, kOne);
  values[1] = kHalf;
  writer.add<uint16_t>(scales, DType::F16, {groups, 64}, values);
  return writer;
}

TEST(Marlin, FollowsTheTilesOfItsKernel) {
  const char* kGptq = R"({"quant_method":"gptq","bits":4,"group_size":-1,"is_marlin_format":true})";
  const char* kAwq = R"({"quant_method":"awq","bits":4,"group_size":-1,"version":"marlin"})";
  const MadeCheckpoint made(kGptq, marlin("m.B", "m.s", 1));
  EXPECT_EQ(made.open("m")->format(), "gptq/marlin");
  const auto w = made.decode("m");
  EXPECT_EQ(MadeCheckpoint(kAwq, marlin("m.qweight", "m.scales", 1)).decode("m"), w);
  // Word 4i + j = 21: outputs 16j + i / 4 = 17 and 25, columns 2, 3, 10, 11 for i % 4 = 1, of the second tile.
  const std::vector<int> columns = {18, 19, 26, 27}, places = {0, 4, 1, 5, 2, 6, 3, 7};
  std::vector<float> expected(64 * 32);
  for (int e = 0; e < 8; ++e)
    expected[(17 + 8 * (e / 4)) * 32 + columns[e % 4]] = static_cast<float>(places[e] + 1 - 8);
  EXPECT_EQ(w, expected);
  std::vector<float> row(32);
  made.open("m")->decode(25, 26, row.data());
  EXPECT_EQ(row, std::vector<float>(w.begin() + 25 * 32, w.begin() + 26 * 32));
}

TEST(Marlin, ScalesArePermutedByGroupsOrByRows) {
  const auto grouped = [](int64_t groups) {
    SafetensorsWriter writer;
    writer.fill<int32_t>("m.B", DType::I32, {2, 128}, 0);
    std::vector<uint16_t> values(64 * groups, kOne);
    values[1] = kHalf;
    writer.add<uint16_t>("m.s", DType::F16, {groups, 64}, values);
    const std::string config =
        fmt::format(R"({{"quant_method":"gptq","bits":4,"group_size":{},"format":"marlin"}})", 32 / groups);
    return MadeCheckpoint(config, writer).decode("m");
  };
  const auto rows = grouped(1), groups = grouped(2);
  for (int o = 0; o < 64; ++o) {
    EXPECT_EQ(rows[o * 32 + 31], o == 1 ? -4 : -8) << o;
    EXPECT_EQ(groups[o * 32 + 15], o == 8 ? -4 : -8) << o;
    EXPECT_EQ(groups[o * 32 + 16], -8) << o;
  }
}

TEST(Marlin, NamesWhatIsWrong) {
  const auto config = [](const char* rest) {
    return fmt::format(R"({{"quant_method":"gptq","format":"marlin",{}}})", rest);
  };
  const SafetensorsWriter good = marlin("m.B", "m.s", 1);
  expect_says(error_of(config(R"("bits":8,"group_size":-1)"), good), {"m: ", "8 bits", "has 4"});
  expect_says(error_of(config(R"("bits":4,"group_size":16)"), good),
              {"m.s", "expected", "[2, 64]", "found F16 [1, 64]"});
  expect_says(error_of(config(R"("bits":4,"group_size":24)"), good), {"groups of 24", "multiple of 16"});
  SafetensorsWriter lone;
  lone.fill<int32_t>("m.B", DType::I32, {2, 128}, 0);
  expect_says(error_of(config(R"("bits":4,"group_size":-1)"), lone), {"m.s is missing"});
  SafetensorsWriter odd;
  odd.fill<int32_t>("m.B", DType::I32, {2, 64}, 0);
  expect_says(error_of(config(R"("bits":4,"group_size":-1)"), odd), {"m.B", "multiple of 64", "I32 [2, 64]"});
  expect_says(error_of(R"({"quant_method":"awq","bits":4,"version":"gemm"})", marlin("m.qweight", "m.scales", 1)),
              {"m.qweight"});
}

constexpr const char* kQqqRows = R"({"quant_method":"qqq","bits":4,"group_size":-1})";

TEST(Qqq, WholeRowsAreTwosComplementTimesSixteen) {
  SafetensorsWriter writer;
  std::vector<int32_t> words(128);
  words[0] = 0x0F000070;  // nibble 1 is element 0: output 0, column 0; nibble 6 is element 7: output 8, column 3
  writer.add<int32_t>("m.B", DType::I32, {1, 128}, words);
  std::vector<float> scales(64);
  for (int i = 0; i < 64; ++i) scales[i] = static_cast<float>(i + 1);
  writer.add<float>("m.s_channel", DType::F32, {1, 64}, scales);
  const auto w = MadeCheckpoint(kQqqRows, writer).decode("m");
  EXPECT_EQ(w[0], 16.0f * 7 * 1);
  EXPECT_EQ(w[8 * 16 + 3], 16.0f * -1 * 3) << "output 8 has the scale stored third";
  EXPECT_EQ(std::count(w.begin(), w.end(), 0.0f), 64 * 16 - 2);
}

TEST(Qqq, NamesWhatIsWrong) {
  SafetensorsWriter writer;
  writer.fill<int32_t>("m.B", DType::I32, {1, 128}, 0);
  expect_says(error_of(kQqqRows, writer), {"m.s_channel is missing"});
  writer.fill<float>("m.s_channel", DType::F32, {1, 64}, 1);
  expect_says(error_of(R"({"quant_method":"qqq","bits":4,"group_size":8})", writer), {"groups of 8", "multiple of 16"});
  writer.fill<uint16_t>("m.s_group", DType::F16, {1, 64}, kOne);
  expect_says(error_of(kQqqRows, writer), {"whole rows, but s_group"});
  expect_says(error_of(R"({"quant_method":"qqq","bits":8})", writer), {"bits", "only width"});
  SafetensorsWriter odd;
  odd.fill<int32_t>("m.B", DType::I32, {1, 64}, 0);
  expect_says(error_of(kQqqRows, odd), {"m.B", "multiple of 64", "I32 [1, 64]"});
}

}  // namespace
}  // namespace assay

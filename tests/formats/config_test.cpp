#include "formats/compressed_tensors/config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/made_checkpoint.h"

namespace assay::compressed_tensors {
namespace {

Config parse(const std::string& json) {
  return Config(QuantConfig(kMethod, parse_json(json, "test"), "config.json: quantization_config"));
}

/// One group for each list of targets; returns the name of the group that a module falls to, or "none".
struct Groups {
  QuantConfig quant;
  const Config& config = quant.parsed<Config>();

  explicit Groups(const std::string& groups, const std::string& ignore = "[]")
      : quant(kMethod, parse_json(R"({"config_groups":)" + groups + R"(,"ignore":)" + ignore + "}", "test"), "test") {}

  std::string of(std::string_view module, std::string_view class_name = "Linear") const {
    const Group* group = config.group_of({module, class_name});
    return group ? group->name : "none";
  }
};

TEST(CompressedTensorsConfig, ANameBeatsARegexBeatsAClass) {
  const Groups groups(R"({"class":{"targets":["Linear"]}, "regex":{"targets":["re:.*up_proj$"]},
                          "name":{"targets":["model.layers.1.mlp.up_proj"]}})");
  EXPECT_EQ(groups.of("model.layers.1.mlp.up_proj"), "name");
  EXPECT_EQ(groups.of("model.layers.0.mlp.up_proj"), "regex");
  EXPECT_EQ(groups.of("model.layers.0.mlp.gate_proj"), "class");
  EXPECT_EQ(groups.of("model.embed_tokens", "Embedding"), "none");
}

TEST(CompressedTensorsConfig, TheFirstRegexInSortedOrderWins) {
  // In the file group_a comes first; "re:.*2..." sorts before "re:.*up...".
  const Groups groups(
      R"({"group_a":{"targets":["re:.*up_proj$"]}, "group_b":{"targets":["re:.*2\\.mlp\\.up_proj$"]}})");
  EXPECT_EQ(groups.of("model.layers.2.mlp.up_proj"), "group_b");
  EXPECT_EQ(groups.of("model.layers.1.mlp.up_proj"), "group_a");
}

TEST(CompressedTensorsConfig, RegexesAreAnchoredAtTheStartOnly) {
  const Groups groups(R"({"g":{"targets":["re:model\\.layers\\.1"]}})");
  EXPECT_EQ(groups.of("model.layers.1.mlp.up_proj"), "g");
  EXPECT_EQ(groups.of("model.layers.12.mlp.up_proj"), "g");
  EXPECT_EQ(groups.of("language.model.layers.1.mlp.up_proj"), "none");
}

TEST(CompressedTensorsConfig, IgnoreWinsOverEveryTarget) {
  const Groups groups(R"({"g":{"targets":["lm_head", "Linear"]}})", R"(["lm_head", "re:.*mlp\\.gate$"])");
  EXPECT_EQ(groups.of("lm_head"), "none");
  EXPECT_EQ(groups.of("model.layers.0.mlp.gate"), "none");
  EXPECT_EQ(groups.of("model.layers.0.mlp.gate_proj"), "g");
}

TEST(CompressedTensorsConfig, ANameWithoutPatternMatchesInFullOnly) {
  const Groups groups(R"({"g":{"targets":["model.layers.1"]}})");
  EXPECT_EQ(groups.of("model.layers.1"), "g");
  EXPECT_EQ(groups.of("model.layers.11"), "none");
}

TEST(CompressedTensorsConfig, MissingKeysMeanTheirDefaults) {
  const JsonObject json(parse_json("{}", "t"), "t");
  const QuantArgs none{JsonObject(parse_json("{}", "t"), "t")};
  EXPECT_EQ(none.bits, 8);
  EXPECT_FALSE(none.is_float);
  EXPECT_TRUE(none.symmetric);
  EXPECT_EQ(none.strategy, QuantArgs::Strategy::tensor);
  EXPECT_EQ(none.dynamic, QuantArgs::Dynamic::no);
  const Json grouped = parse_json(R"({"group_size":32,"num_bits":4,"actorder":null})", "t");
  EXPECT_EQ(QuantArgs(JsonObject(grouped, "t")).strategy, QuantArgs::Strategy::group);
  const Json rows = parse_json(R"({"group_size":-1})", "t");
  EXPECT_EQ(QuantArgs(JsonObject(rows, "t")).strategy, QuantArgs::Strategy::channel);
}

TEST(CompressedTensorsConfig, NamesAreTakenInAnyCase) {
  const Json json = parse_json(R"({"type":"FLOAT","strategy":"Channel"})", "t");
  const QuantArgs args{JsonObject(json, "t")};
  EXPECT_TRUE(args.is_float);
  EXPECT_EQ(args.strategy, QuantArgs::Strategy::channel);
}

TEST(CompressedTensorsConfig, BlocksAreAListOrAText) {
  const Json list = parse_json(R"({"strategy":"block","block_structure":[96,64]})", "t");
  const Json text = parse_json(R"({"strategy":"block","block_structure":"96x64"})", "t");
  for (const Json& json : {list, text}) {
    const QuantArgs args{JsonObject(json, "t")};
    EXPECT_EQ(args.block_rows, 96);
    EXPECT_EQ(args.block_cols, 64);
  }
  for (const char* bad : {R"("96")", R"("96x")", R"("x64")", R"("96x64x2")", R"([96])", R"([0,64])", R"([-1,64])"}) {
    const Json json = parse_json(fmt::format(R"({{"strategy":"block","block_structure":{}}})", bad), "t");
    EXPECT_THROW(QuantArgs(JsonObject(json, "t")), Error) << bad;
  }
}

TEST(CompressedTensorsConfig, RefusesWhatItCannotMean) {
  for (const char* bad : {
           R"({"config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":0}}}})",
           R"({"config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":1000000000000}}}})",
           R"({"config_groups":{"g":{"targets":["Linear"],"weights":{"type":"complex"}}}})",
           R"({"config_groups":{"g":{"targets":["Linear"],"weights":{"strategy":"diagonal"}}}})",
           R"({"config_groups":{"g":{"targets":["Linear"],"weights":{"group_size":-7}}}})",
           R"({"config_groups":{"g":{"targets":["Linear"],"weights":{"strategy":"group"}}}})",
           R"({"config_groups":{"g":{"targets":["Linear"],"weights":{"dynamic":"remote"}}}})",
           R"({"config_groups":{"g":{"targets":"Linear"}}})",
           R"({"config_groups":{"W4A16":["Linear"]}})",
           R"({"config_groups":{"g":{"targets":["re:("]}}})",
           R"({"transform_config":{"config_groups":{"g":{"apply":[{"location":"nowhere","targets":[]}]}}}})",
           R"({"transform_config":{"config_groups":{"g":{"apply":7}}}})",
       }) {
    EXPECT_THROW(parse(bad), Error) << bad;
  }
}

TEST(Pattern, MeansWhatPythonMeans) {
  EXPECT_TRUE(Pattern("a(?:b|c)+$", "t").matches_start("abcb"));
  EXPECT_FALSE(Pattern("a(?:b|c)+$", "t").matches_start("abcbd"));
  EXPECT_FALSE(Pattern("b", "t").matches_start("ab"));
  EXPECT_TRUE(Pattern("a", "t").matches_start("ab"));
  EXPECT_TRUE(Pattern("", "t").matches_start(""));
  EXPECT_TRUE(Pattern(R"(model\.layers\.(\d+)\.(?!mlp).*)", "t").matches_start("model.layers.10.self_attn.q_proj"));
}

TEST(Pattern, GivesUpOnHostilePatterns) {
  EXPECT_THROW(Pattern("(a*)*(a*)*(a*)*b", "t").matches_start(std::string(3000, 'a')), Error);
  EXPECT_THROW(Pattern("(a|aa)+$", "t").matches_start(std::string(3000, 'a') + "b"), Error);
  EXPECT_THROW(Pattern(std::string(100000, '('), "t"), Error);
  EXPECT_THROW(Pattern(std::string(5000, 'a'), "t"), Error);
}

TEST(QuantConfigOf, FindsTheSectionWhereverItStands) {
  using test::MadeCheckpoint;
  test::TempDir dir;
  test::SafetensorsWriter().fill<float>("x.weight", DType::F32, {1, 1}, 1).save(dir / "model.safetensors");
  const auto method = [&](const std::string& config) {
    test::write_text(dir / "config.json", config);
    return QuantConfig::of(Checkpoint::open(dir.path())).method();
  };
  EXPECT_EQ(method("{}"), "");
  EXPECT_EQ(method(R"({"quantization_config":null})"), "");
  EXPECT_EQ(method(R"({"quantization_config":{"quant_method":"gptq"}})"), "gptq");
  EXPECT_EQ(method(R"({"text_config":{"quantization_config":{"quant_method":"awq"}}})"), "awq");
  EXPECT_EQ(method(R"({"compression_config":{"config_groups":{}}})"), "compressed-tensors");
  EXPECT_EQ(method(R"({"quantization_config":{"quant_method":"compressed_tensors"}})"), "compressed-tensors");
  EXPECT_EQ(method(R"({"quantization":{"bits":4},"quantization_config":{"bits":4}})"), "mlx");
  EXPECT_EQ(method(R"({"quantization_config":{"load_in_4bit":true}})"), "bitsandbytes");
  EXPECT_THROW(method(R"({"quantization_config":{"bits":4}})"), Error);
  EXPECT_THROW(method(R"({"quantization_config":7})"), Error);
  test::write_text(dir / "quantize_config.json", R"({"bits":4})");
  EXPECT_EQ(method("{}"), "gptq");
}

}  // namespace
}  // namespace assay::compressed_tensors

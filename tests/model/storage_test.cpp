#include "model/storage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/config.h"
#include "model/summary.h"
#include "support/format_fixtures.h"
#include "tiny_checkpoint.h"

namespace assay {
namespace {

using test::fixtures;

Storage storage_of(const std::filesystem::path& folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  return measure_storage(checkpoint, QuantConfig::of(checkpoint), read_model_spec(checkpoint));
}

Storage storage_of(const test::TinyModel& model) {
  const test::TempDir folder;
  const Checkpoint checkpoint = model.write(folder);
  return measure_storage(checkpoint, QuantConfig::of(checkpoint), read_model_spec(checkpoint));
}

/// Everything adds up, whatever the checkpoint.
void expect_consistent(const Storage& storage, const Checkpoint& checkpoint, bool tied) {
  uint64_t stored = 0, weights = 0, bits = 0, roles = 0;
  for (const auto& [name, tensor] : checkpoint.tensors()) stored += tensor.bytes * 8;
  const uint64_t head = tied ? 0 : storage.head.bits;
  EXPECT_EQ(storage.decoder.bits + head + storage.embedding.bits + storage.other.bits, stored);
  EXPECT_GE(storage.file_bytes * 8, stored);
  for (const Bits& layer : storage.layers) bits += layer.bits, weights += layer.weights;
  EXPECT_EQ(bits, storage.decoder.bits);
  EXPECT_EQ(weights, storage.decoder.weights);
  for (const auto& [role, role_bits] : storage.roles) roles += role_bits;
  EXPECT_EQ(roles, storage.decoder.bits + storage.head.bits);
  bits = std::accumulate(storage.formats.begin(), storage.formats.end(), uint64_t{0},
                         [](uint64_t sum, const auto& format) { return sum + format.second.bits; });
  EXPECT_EQ(bits, storage.decoder.bits + storage.head.bits);
  bits = std::accumulate(storage.tensors.begin(), storage.tensors.end(), uint64_t{0},
                         [](uint64_t sum, const auto& tensor) { return sum + tensor.bits; });
  EXPECT_EQ(bits, storage.decoder.bits + head + storage.embedding.bits);
}

struct Fixture {
  std::string folder;
  std::string format;
  std::string activations = "none";
};

void PrintTo(const Fixture& fixture, std::ostream* out) {
  *out << fixture.folder;
}

class StorageGoldens : public testing::TestWithParam<Fixture> {};

TEST_P(StorageGoldens, AreMatchedToTheBit) {
  ASSAY_REQUIRE_FIXTURES();
  const std::filesystem::path folder = fixtures() / GetParam().folder;
  const Json expected = read_json(folder / "expected.json");
  const std::filesystem::path model = test::fixture_model(GetParam().folder);
  const Storage storage = storage_of(model);
  const Json& golden = expected["storage"];
  EXPECT_EQ(storage.decoder.bits, golden["decoder_bits"]);
  EXPECT_EQ(storage.decoder.weights, golden["decoder_weights"]);
  EXPECT_EQ(storage.decoder.bpw(), golden["decoder_bpw"]);
  EXPECT_EQ(storage.head.bits, golden["head_bits"]);
  EXPECT_EQ(storage.head.weights, golden["head_weights"]);
  EXPECT_EQ(storage.head.bpw(), golden["head_bpw"]);
  EXPECT_EQ(storage.vram_gib(), golden["vram_gib"]);
  EXPECT_EQ(storage.format, GetParam().format);
  EXPECT_EQ(storage.activations, GetParam().activations);
  EXPECT_EQ(storage.mismatches, std::vector<std::string>{});
  const Checkpoint checkpoint = Checkpoint::open(model);
  expect_consistent(storage, checkpoint, read_model_spec(checkpoint).tied);

  if (!expected.contains("decoded")) return;
  std::map<std::string, std::vector<int64_t>> shapes, decoded;
  for (const Storage::Tensor& tensor : storage.tensors) shapes[tensor.name] = {tensor.rows, tensor.cols};
  for (const auto& [name, entry] : expected["decoded"].items()) {
    decoded[name] = entry["shape"].get<std::vector<int64_t>>();
  }
  EXPECT_EQ(shapes, decoded);
}

INSTANTIATE_TEST_SUITE_P(
    Fixtures, StorageGoldens,
    testing::Values(
        Fixture{"base", "dense/bf16"},
        Fixture{"compressed_tensors/nvfp4", "compressed-tensors/nvfp4-pack-quantized",
                "E2M1, one scale for 16 columns (NVFP4)"},
        Fixture{"compressed_tensors/mxfp4", "compressed-tensors/mxfp4-pack-quantized",
                "E2M1, one scale for 32 columns (MX)"},
        Fixture{"compressed_tensors/fp8_kv", "compressed-tensors/float-quantized",
                "E4M3, static scale; KV cache E4M3, static scale"},
        Fixture{"compressed_tensors/fp8_dynamic", "compressed-tensors/float-quantized", "E4M3, one scale a token"},
        Fixture{"compressed_tensors/fp8_block", "compressed-tensors/float-quantized",
                "E4M3, one scale for 128 columns"},
        Fixture{"compressed_tensors/w8a8", "compressed-tensors/int-quantized", "int8, one scale a token"},
        Fixture{"compressed_tensors/int_misc", "compressed-tensors/int-quantized",
                "int8, one scale a token (12 of 21 linears); E4M3, one scale a token (6 of 21 linears); int8 "
                "asymmetric, static scale (2 of 21 linears); int8 asymmetric, one scale a token (1 of 21 linears)"},
        Fixture{"compressed_tensors/w4a16", "compressed-tensors/pack-quantized"},
        Fixture{"compressed_tensors/w4a16_asym", "compressed-tensors/pack-quantized"},
        Fixture{"compressed_tensors/w4a16_head", "compressed-tensors/pack-quantized"},
        Fixture{"compressed_tensors/w4a16_actorder_group", "compressed-tensors/pack-quantized"},
        Fixture{"compressed_tensors/mixed_bits", "compressed-tensors/pack-quantized+dense/bf16"},
        Fixture{"compressed_tensors/mixed_nvfp4_fp8", "compressed-tensors/nvfp4-pack-quantized+float-quantized",
                "E4M3, one scale a token (12 of 21 linears); E2M1, one scale for 16 columns (NVFP4) (3 of 21 linears)"},
        Fixture{
            "compressed_tensors/mixed_block_mx",
            "compressed-tensors/mxfp4-pack-quantized+float-quantized+mxfp8-quantized",
            "E4M3, one scale for 64 columns (6 of 21 linears); E4M3, one scale for 32 columns (MX) (3 of 21 linears)"},
        Fixture{"compressed_tensors/mxfp6_ct020", "compressed-tensors/mxfp4-pack-quantized+mxfp6-pack-quantized",
                "E4M3, one scale for 32 columns (MX) (12 of 21 linears); E4M3, one scale for 128 columns (6 of 21 "
                "linears)"},
        Fixture{"compressed_tensors/spinquant_w4a16", "compressed-tensors/pack-quantized"},
        Fixture{"compressed_tensors/quip_w4a8", "compressed-tensors/pack-quantized", "int8, one scale a token"},
        Fixture{"compressed_tensors/moe_nvfp4", "compressed-tensors/nvfp4-pack-quantized",
                "E2M1, one scale for 16 columns (NVFP4)"},
        Fixture{"compressed_tensors/moe_w4a16", "compressed-tensors/pack-quantized"},
        Fixture{"compressed_tensors/old_packing_3_5_6bit", "compressed-tensors/pack-quantized"},
        Fixture{"compressed_tensors/sparse24_fp8", "compressed-tensors/sparse-24-bitmask+float-quantized",
                "E4M3, one scale a token"},
        Fixture{"compressed_tensors/sparse_bitmask", "compressed-tensors/sparse-bitmask"},
        Fixture{"compressed_tensors/marlin24", "compressed-tensors/marlin-24"}),
    [](const auto& info) { return info.param.folder.substr(info.param.folder.find('/') + 1); });

INSTANTIATE_TEST_SUITE_P(
    OtherTools, StorageGoldens,
    testing::Values(
        Fixture{"fp8_block/b128", "fp8/block", "E4M3, one scale for 128 columns"},
        Fixture{"fp8_block/b96x160-edge", "fp8/block", "E4M3, one scale for 160 columns"},
        Fixture{"fp8_tensor/static", "fp8/tensor", "E4M3, static scale"},
        Fixture{"fbgemm_fp8/rowwise", "fbgemm_fp8/rowwise+dense/bf16", "E4M3, one scale a token (17 of 21 linears)"},
        Fixture{"modelopt/nvfp4", "modelopt/nvfp4", "E2M1, one scale for 16 columns (NVFP4)"},
        Fixture{"modelopt/w4a16-awq", "modelopt/int4-awq"},
        Fixture{"modelopt/mixed-fp8-nvfp4-kv8", "modelopt/nvfp4+fp8",
                "E4M3, static scale (12 of 21 linears); E2M1, one scale for 16 columns (NVFP4) (9 of 21 linears); KV "
                "cache E4M3, static scale"},
        Fixture{"quark/mixed-fp8-int4-mxfp4", "quark/int4+fp8+mxfp4", "E4M3, static scale (12 of 21 linears)"},
        Fixture{"mlx/affine-4bit-g64", "mlx/affine-4bit"},
        Fixture{"mlx/affine-mixed-bits",
                "mlx/affine-2bit+affine-3bit+affine-4bit+affine-6bit+affine-8bit+affine-5bit+dense/bf16"},
        Fixture{"mlx/modes-mixed", "mlx/nvfp4+mxfp4+mxfp8"}, Fixture{"mlx/mxfp4", "mlx/mxfp4"},
        Fixture{"torchao/int4wo-g64", "torchao/Int4Tensor"},
        Fixture{"torchao/mixed", "torchao/Float8Tensor+MXTensor+NVFP4Tensor+Int8Tensor+IntxUnpackedToInt8Tensor",
                "E4M3, one scale for 32 columns (MX) (3 of 21 linears); int8 asymmetric, one scale a token (3 of 21 "
                "linears); int8, one scale a token (3 of 21 linears)"},
        Fixture{"quanto/int4", "quanto/qint4"},
        Fixture{"quanto/mixed", "quanto/qint4+qint2+qint8+qfloat8_e4m3fn+qfloat8_e5m2"},
        Fixture{"hqq/hf-4bit-g64-axis1", "hqq/4-bit"}, Fixture{"hqq/hf-mixed-axes", "hqq/3-bit+4-bit+2-bit+8-bit"},
        Fixture{"hqq/native-2bit-1bit", "hqq/2-bit+1.58-bit+6-bit+1-bit+5-bit"},
        Fixture{"bitnet/autobitlinear", "bitnet/ternary", "int8, one scale a token"},
        Fixture{"bitnet/bitlinear", "bitnet/ternary", "int8, one scale a token"}),
    [](const auto& info) {
      std::string name = info.param.folder;
      for (char& c : name) c = c == '/' || c == '-' ? '_' : c;
      return name;
    });

INSTANTIATE_TEST_SUITE_P(Codebooks, StorageGoldens,
                         testing::Values(Fixture{"aqlm/aqlm-1x12-g8-head", "aqlm/1x12-g8"},
                                         Fixture{"aqlm/aqlm-1x16-g8", "dense/f16+aqlm/1x16-g8"},
                                         Fixture{"aqlm/aqlm-2x8-g8", "aqlm/2x8-g8"},
                                         Fixture{"bitsandbytes/fp4-b128", "bitsandbytes/fp4"},
                                         Fixture{"bitsandbytes/int8", "bitsandbytes/int8",
                                                 "int8, one scale a token, columns that reach 3 kept"},
                                         Fixture{"bitsandbytes/nf4-dq-head", "bitsandbytes/nf4"},
                                         Fixture{"vptq/vptq-v4-k64-r16-g4", "vptq/v4-k64-r16"},
                                         Fixture{"vptq/vptq-v4-k65536-r65536", "dense/f16+vptq/v4-k65536-r65536"},
                                         Fixture{"vptq/vptq-v6-k1024-outlier", "vptq/v6-k1024-outliers"},
                                         Fixture{"vptq/vptq-v8-k512-r256", "vptq/v8-k512-r256"}),
                         [](const auto& info) {
                           std::string name = info.param.folder;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '/' || c == '-'; }, '_');
                           return name;
                         });

INSTANTIATE_TEST_SUITE_P(Gguf, StorageGoldens,
                         testing::Values(Fixture{"gguf/Q8_0", "gguf/Q8_0"},
                                         Fixture{"gguf/IQ2_XXS", "gguf/IQ2_XXS+Q4_K"},
                                         Fixture{"gguf/NVFP4", "gguf/NVFP4"}, Fixture{"gguf/Q4_K_M", "gguf/Q4_K+Q6_K"},
                                         Fixture{"gguf/split_Q4_K", "gguf/Q4_K"},
                                         Fixture{"gguf/tied_Q3_K_M", "gguf/Q3_K+Q4_K+Q6_K+Q5_K"}),
                         [](const auto& info) { return info.param.folder.substr(info.param.folder.find('/') + 1); });

INSTANTIATE_TEST_SUITE_P(
    PackedIntegers, StorageGoldens,
    testing::Values(Fixture{"gptq/dynamic_mixed", "gptq/gptq+dense/bf16"}, Fixture{"gptq/pack_int16", "gptq/gptq"},
                    Fixture{"gptq/planar_2to7", "gptq/gptq_p"}, Fixture{"gptq/w2_g32_asym_v2", "gptq/gptq_v2"},
                    Fixture{"gptq/w3_g32_asym_actorder_old_config", "gptq/gptq"},
                    Fixture{"gptq/w4_g128_sym_actorder", "gptq/gptq"}, Fixture{"awq/gemm_g128_asym", "awq/gemm"},
                    Fixture{"awq/gemm_g128_sym_by_autoround", "awq/gemm"},
                    Fixture{"awq/gemv_fast_g128", "awq/gemv_fast"}, Fixture{"awq/gemv_g64", "awq/gemv+dense/f16"},
                    Fixture{"awq/llm_awq_g64", "awq/llm-awq"},
                    Fixture{"autoround/mixed_w2_asym_g32", "auto-round/auto_round+dense/bf16"},
                    Fixture{"autoround/mxfp4", "auto-round/mxfp4", "E2M1, one scale for 32 columns (MX)"},
                    Fixture{"autoround/mxint4", "auto-round/mxint4", "int4, one scale for 32 columns (MX)"},
                    Fixture{"autoround/nvfp4", "auto-round/nvfp4", "E2M1, one scale for 16 columns (NVFP4)"},
                    Fixture{"autoround/w4_sym_g128", "auto-round/auto_gptq"},
                    Fixture{"autoround/w6_mixed_w5_w7", "auto-round/auto_round"},
                    Fixture{"qqq/w4a8_g128", "qqq/qqq", "int8, one scale a token"}),
    [](const auto& info) {
      std::string name = info.param.folder;
      std::replace(name.begin(), name.end(), '/', '_');
      return name;
    });

TEST(Storage, OfATiedHeadIsTheEmbeddings) {
  test::TinyModel model = test::tiny_llama();
  model.config["tie_word_embeddings"] = true;
  model.tensors.erase("lm_head.weight");
  const Storage storage = storage_of(model);
  EXPECT_EQ(storage.head.bits, 32u * 16 * 16);
  EXPECT_EQ(storage.embedding.bits, storage.head.bits);
  EXPECT_EQ(storage.tensors.size(), 1u + 14);
  const test::TempDir folder;
  expect_consistent(storage, model.write(folder), true);
}

TEST(Storage, OfLayersFollowsTheModel) {
  const Storage storage = storage_of(test::tiny_llama());
  ASSERT_EQ(storage.layers.size(), 2u);
  const uint64_t weights = 32 * 16 + 2 * 16 * 16 + 16 * 32 + 3 * 24 * 16;
  EXPECT_EQ(storage.layers[1].weights, weights);
  EXPECT_EQ(storage.layers[1].bits, weights * 16);
  EXPECT_EQ(storage.other.bits, 5u * 16 * 16) << "the norms";
  EXPECT_TRUE(std::isnan(storage.other.bpw()));
  EXPECT_EQ(storage.tensors.front().name, "model.embed_tokens.weight");
  EXPECT_EQ(storage.tensors[1].name, "model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(storage.tensors.back().name, "lm_head.weight");
}

TEST(Storage, OfStackedExpertsIsSharedOutByRows) {
  ASSAY_REQUIRE_FIXTURES();
  const Storage stacked = storage_of(fixtures() / "architectures" / "qwen3_moe_fused");
  const Storage alone = storage_of(fixtures() / "architectures" / "qwen3_moe");
  ASSERT_EQ(stacked.tensors.size(), alone.tensors.size());
  for (size_t i = 0; i < alone.tensors.size(); ++i) {
    EXPECT_EQ(stacked.tensors[i].name, alone.tensors[i].name);
    EXPECT_EQ(stacked.tensors[i].rows, alone.tensors[i].rows);
    EXPECT_EQ(stacked.tensors[i].bits, alone.tensors[i].bits) << alone.tensors[i].name;
  }
  EXPECT_EQ(stacked.decoder.bits, alone.decoder.bits);
  EXPECT_EQ(stacked.roles, alone.roles);
}

TEST(Storage, OfTheWrongSizeIsRefused) {
  test::TinyModel model = test::tiny_llama();
  model.tensors["model.layers.1.mlp.up_proj.weight"] = {24, 8};
  try {
    storage_of(model);
    FAIL() << "accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("model.layers.1.mlp.up_proj"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("[24, 16]"), std::string::npos) << error.what();
  }
}

// compare_q counts a `weight_packed` linear with everything its module stores, here the two int64 of weight_shape and,
// for NVFP4, one float32 input scale; a plain head by its weight.
TEST(CompareQ, CountsWholeModulesOfPackedLinears) {
  ASSAY_REQUIRE_FIXTURES();
  const Storage w4a16 = storage_of(fixtures() / "compressed_tensors" / "w4a16");
  EXPECT_DOUBLE_EQ(w4a16.compare_q.bpw_layer, (9732096.0 + 21 * 128) / 2359296);
  EXPECT_EQ(w4a16.compare_q.bpw_head, 16);
  EXPECT_DOUBLE_EQ(w4a16.compare_q.vram_gib, (9732096.0 + 21 * 128 + 4194304) / 8 / (1 << 30));
  const Storage nvfp4 = storage_of(fixtures() / "compressed_tensors" / "nvfp4");
  EXPECT_DOUBLE_EQ(nvfp4.compare_q.bpw_layer, (10617504.0 + 21 * 32) / 2359296);
  const Storage head = storage_of(fixtures() / "compressed_tensors" / "w4a16_head");
  EXPECT_DOUBLE_EQ(head.compare_q.bpw_head, (2146304.0 + 128) / 262144);
}

TEST(CompareQ, CountsOnlyTheWeightOfPlainLinears) {
  ASSAY_REQUIRE_FIXTURES();
  const Storage storage = storage_of(fixtures() / "architectures" / "llama_bias_tied");
  EXPECT_EQ(storage.compare_q.bpw_layer, 16);
  EXPECT_EQ(storage.compare_q.bpw_head, 16);
}

TEST(Mismatches, AreReportedWhereConfigAndTensorsDisagree) {
  test::TinyModel model = test::tiny_llama();
  EXPECT_EQ(storage_of(model).mismatches, std::vector<std::string>{});
  model.config["quantization_config"] = {
      {"quant_method", "compressed-tensors"},
      {"format", "pack-quantized"},
      {"ignore", {"lm_head"}},
      {"config_groups",
       {{"group_0",
         {{"targets", {"Linear"}},
          {"weights", {{"num_bits", 4}, {"type", "int"}, {"strategy", "channel"}, {"symmetric", true}}}}}}}};
  const std::vector<std::string> found = storage_of(model).mismatches;
  ASSERT_EQ(found.size(), 2u);
  EXPECT_NE(found[0].find("every weight of the layers is plain"), std::string::npos) << found[0];
  EXPECT_EQ(found[1],
            "model.layers.0.self_attn.q_proj and 13 more: config group \"group_0\" quantizes it, but it is stored as "
            "dense/bf16");
}

TEST(Mismatches, AreReportedWhereBitsandbytesStoresAnotherWidthThanTheConfigSays) {
  ASSAY_REQUIRE_FIXTURES();
  const std::filesystem::path source = fixtures() / "bitsandbytes/fp4-b128";
  const test::TempDir folder;
  Json config = read_json(source / "config.json");
  config["quantization_config"]["load_in_4bit"] = config["quantization_config"]["_load_in_4bit"] = false;
  config["quantization_config"]["load_in_8bit"] = config["quantization_config"]["_load_in_8bit"] = true;
  test::write_text(folder / "config.json", config.dump());
  std::filesystem::create_symlink(source / "model.safetensors", folder / "model.safetensors");
  EXPECT_EQ(storage_of(source).mismatches, std::vector<std::string>{});
  const std::vector<std::string> found = storage_of(folder.path()).mismatches;
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("the config says load_in_8bit, but it is stored as bitsandbytes/fp4"), std::string::npos)
      << found[0];
}

TEST(Activations, AreDescribed) {
  ActivationQuant quant;
  EXPECT_EQ(describe(quant), "none");
  quant.element = ActivationQuant::Element::integer;
  quant.bits = 4;
  quant.symmetric = false;
  quant.scope = ActivationQuant::Scope::tensor;
  EXPECT_EQ(describe(quant), "int4 asymmetric, static scale");
}

}  // namespace
}  // namespace assay

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "formats/format.h"
#include "support/support.h"

// Every weight that the formats' own tools wrote, against the hash of what those tools read from it.
namespace assay {
namespace {

struct Fixture {
  std::filesystem::path dir;
  Json expected;
  Checkpoint checkpoint;
  QuantConfig config;

  explicit Fixture(const std::string& name)
      : dir(test::fixtures() / name),
        expected(read_json(dir / "expected.json")),
        checkpoint(Checkpoint::open(dir)),
        config(QuantConfig::of(checkpoint)) {}

  std::unique_ptr<StoredWeight> open(std::string tensor) const {
    ASSAY_CHECK(tensor.ends_with(".weight"));
    const auto shape = expected["decoded"][tensor]["shape"].get<std::vector<int64_t>>();
    tensor.resize(tensor.size() - 7);
    const bool embedding = tensor.ends_with("embed_tokens");
    return open_weight({checkpoint, config, tensor, embedding ? Module::Kind::embedding : Module::Kind::linear,
                        Module::Size{shape.at(0), shape.at(1)}});
  }
};

std::vector<float> decode_in_tiles(const StoredWeight& weight, int64_t tile) {
  std::vector<float> values(weight.rows() * weight.cols());
  for (int64_t row = 0; row < weight.rows(); row += tile) {
    weight.decode(row, std::min(row + tile, weight.rows()), values.data() + row * weight.cols());
  }
  return values;
}

std::string hash_of(const std::vector<float>& values) {
  Sha256 hash;
  hash.update(values.data(), values.size() * sizeof(float));
  return hash.hex();
}

class EveryFixture : public testing::TestWithParam<std::string> {};

TEST_P(EveryFixture, DecodesToTheGoldenBits) {
  ASSAY_REQUIRE_FIXTURES();
  const Fixture fixture(GetParam());
  ASSERT_FALSE(fixture.expected["decoded"].empty());
  for (const auto& [name, golden] : fixture.expected["decoded"].items()) {
    const auto weight = fixture.open(name);
    EXPECT_EQ(golden["shape"], Json({weight->rows(), weight->cols()})) << name;
    EXPECT_EQ(golden["sha256_f32le"], hash_of(decode_in_tiles(*weight, weight->rows()))) << name;
  }
}

TEST_P(EveryFixture, DecodesTheSameInTilesOfOddSizes) {
  ASSAY_REQUIRE_FIXTURES();
  const Fixture fixture(GetParam());
  for (const auto& [name, golden] : fixture.expected["decoded"].items()) {
    if (name.find("layers.0.") == std::string::npos && name.find("layers") != std::string::npos) continue;
    EXPECT_EQ(golden["sha256_f32le"], hash_of(decode_in_tiles(*fixture.open(name), 37))) << name;
  }
}

TEST_P(EveryFixture, CountsEveryStoredBitOfTheWeights) {
  ASSAY_REQUIRE_FIXTURES();
  const Fixture fixture(GetParam());
  uint64_t decoder_bits = 0, decoder_weights = 0, head_bits = 0;
  for (const auto& [name, golden] : fixture.expected["decoded"].items()) {
    const auto weight = fixture.open(name);
    uint64_t bits = 0;
    for (const StoredPart& part : weight->parts()) bits += counts_as_weight(part.role) ? 8 * part.tensor->bytes : 0;
    if (name == "lm_head.weight") head_bits = bits;
    if (name.find(".layers.") == std::string::npos) continue;
    decoder_bits += bits;
    decoder_weights += weight->rows() * weight->cols();
  }
  const Json& storage = fixture.expected["storage"];
  EXPECT_EQ(storage["decoder_bits"], decoder_bits);
  EXPECT_EQ(storage["decoder_weights"], decoder_weights);
  EXPECT_EQ(storage["head_bits"], head_bits);
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryFixture,
                         testing::Values("base", "compressed_tensors/fp8_block", "compressed_tensors/fp8_dynamic",
                                         "compressed_tensors/fp8_kv", "compressed_tensors/int_misc",
                                         "compressed_tensors/marlin24", "compressed_tensors/mixed_bits",
                                         "compressed_tensors/mixed_block_mx", "compressed_tensors/mixed_nvfp4_fp8",
                                         "compressed_tensors/moe_nvfp4", "compressed_tensors/moe_w4a16",
                                         "compressed_tensors/mxfp4", "compressed_tensors/mxfp6_ct020",
                                         "compressed_tensors/nvfp4", "compressed_tensors/old_packing_3_5_6bit",
                                         "compressed_tensors/quip_w4a8", "compressed_tensors/sparse24_fp8",
                                         "compressed_tensors/sparse_bitmask", "compressed_tensors/spinquant_w4a16",
                                         "compressed_tensors/w4a16", "compressed_tensors/w4a16_actorder_group",
                                         "compressed_tensors/w4a16_asym", "compressed_tensors/w4a16_head",
                                         "compressed_tensors/w8a8"),
                         [](const auto& info) { return info.param.substr(info.param.find('/') + 1); });

INSTANTIATE_TEST_SUITE_P(Codebooks, EveryFixture,
                         testing::Values("aqlm/aqlm-1x12-g8-head", "aqlm/aqlm-1x16-g8", "aqlm/aqlm-2x8-g8",
                                         "bitsandbytes/fp4-b128", "bitsandbytes/int8", "bitsandbytes/nf4-dq-head",
                                         "vptq/vptq-v4-k64-r16-g4", "vptq/vptq-v4-k65536-r65536",
                                         "vptq/vptq-v6-k1024-outlier", "vptq/vptq-v8-k512-r256"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '/' || c == '-'; }, '_');
                           return name;
                         });

TEST(GptOssExperts, DecodeToTheTransposeOfTheGoldenBits) {
  ASSAY_REQUIRE_FIXTURES();
  const Fixture fixture("mxfp4/gptoss-3x2");
  int compared = 0;
  for (const auto& [name, golden] : fixture.expected["decoded"].items()) {
    if (!name.ends_with("experts.gate_up_proj") && !name.ends_with("experts.down_proj")) continue;
    const auto shape = golden["shape"].get<std::vector<int64_t>>();
    const int64_t in = shape[1], out = shape[2];
    const auto weight = open_weight({fixture.checkpoint, fixture.config, name});
    EXPECT_EQ(weight->format(), "mxfp4/experts");
    ASSERT_EQ(weight->rows(), shape[0] * out) << name;
    ASSERT_EQ(weight->cols(), in) << name;
    const std::vector<float> values = decode_in_tiles(*weight, 1000);
    std::vector<float> transposed(values.size());
    for (int64_t row = 0; row < weight->rows(); ++row) {
      for (int64_t c = 0; c < in; ++c) transposed[(row / out * in + c) * out + row % out] = values[row * in + c];
    }
    EXPECT_EQ(golden["sha256_f32le"], hash_of(transposed)) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 6);
}

/// "modelopt/w4a16-awq" is called modelopt_w4a16_awq.
std::string full_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) c = c == '/' || c == '-' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(OtherTools, EveryFixture,
                         testing::Values("fp8_block/b128", "fp8_block/b96x160-edge", "fp8_tensor/static",
                                         "fbgemm_fp8/rowwise", "modelopt/mixed-fp8-nvfp4-kv8", "modelopt/nvfp4",
                                         "modelopt/w4a16-awq", "quark/mixed-fp8-int4-mxfp4", "mlx/affine-4bit-g64",
                                         "mlx/affine-mixed-bits", "mlx/modes-mixed", "mlx/mxfp4", "torchao/int4wo-g64",
                                         "torchao/mixed", "quanto/int4", "quanto/mixed", "hqq/hf-4bit-g64-axis1",
                                         "hqq/hf-mixed-axes", "hqq/native-2bit-1bit", "bitnet/autobitlinear",
                                         "bitnet/bitlinear"),
                         full_name);

INSTANTIATE_TEST_SUITE_P(PackedIntegers, EveryFixture,
                         testing::Values("gptq/dynamic_mixed", "gptq/pack_int16", "gptq/planar_2to7",
                                         "gptq/w2_g32_asym_v2", "gptq/w3_g32_asym_actorder_old_config",
                                         "gptq/w4_g128_sym_actorder", "awq/gemm_g128_asym",
                                         "awq/gemm_g128_sym_by_autoround", "awq/gemv_fast_g128", "awq/gemv_g64",
                                         "awq/llm_awq_g64", "autoround/mixed_w2_asym_g32", "autoround/mxfp4",
                                         "autoround/mxint4", "autoround/nvfp4", "autoround/w4_sym_g128",
                                         "autoround/w6_mixed_w5_w7", "qqq/w4a8_g128"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '/', '_');
                           return name;
                         });

}  // namespace
}  // namespace assay

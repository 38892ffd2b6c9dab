#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "forward/evaluate.h"
#include "model/config.h"
#include "support/support.h"
#include "tokens/rows.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

/// The rows that every format fixture was measured on: wiki2 (P1) in the fixture's own tokenizer, 8 windows of 256.
TokenRows fixture_rows(const fs::path& folder) {
  DataSpec spec;
  spec.tokenizer_dir = folder;
  spec.dataset.dataset = "wiki2";
  spec.eval_len = spec.eval_stride = 256;
  spec.max_rows = 8;
  RowOptions options;
  options.locations.folders = {test::shared_data()};
  return make_rows(spec, options);
}

struct Outcome {
  std::vector<double> row_nll;
  double mean = 0;
};

Outcome run(const fs::path& folder, const TokenRows& rows, EvalOptions options, int threads = 2) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  ThreadPool pool(threads);
  const auto device = open_device("cpu", pool);
  std::vector<int32_t> ids;
  for (const auto& row : rows.rows) ids.insert(ids.end(), row.begin(), row.end());
  const auto count = static_cast<int64_t>(rows.rows.size()), length = static_cast<int64_t>(rows.rows[0].size());
  const EvalResult result =
      evaluate(*device, {&checkpoint, &quant, &spec},
               {ids, count, length, rows.first_scored_position(), rows.targets_per_row()}, options);
  Outcome outcome;
  for (int64_t r = 0; r < count; ++r) {
    double sum = 0;
    for (int64_t t = 0; t < rows.targets_per_row(); ++t) sum += result.nll[r * rows.targets_per_row() + t];
    outcome.row_nll.push_back(sum / static_cast<double>(rows.targets_per_row()));
    outcome.mean += outcome.row_nll.back() / static_cast<double>(count);
  }
  return outcome;
}

class FormatFixture : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSAY_REQUIRE_FIXTURES();
    ASSAY_REQUIRE_SHARED_DATA();
    folder_ = test::fixtures() / GetParam();
    expected_ = read_json(folder_ / "expected.json");
    rows_ = fixture_rows(folder_);
    ASSERT_EQ(rows_.tokens_sha256, expected_.at("data").at("tokens_sha256").get<std::string>());
  }

  fs::path folder_;
  Json expected_;
  TokenRows rows_;
};

INSTANTIATE_TEST_SUITE_P(Fixtures, FormatFixture,
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
                         [](const auto& info) {
                           std::string name = info.param;
                           return name.substr(name.find('/') + 1);
                         });

INSTANTIATE_TEST_SUITE_P(OtherTools, FormatFixture,
                         testing::Values("fp8_block/b128", "fp8_block/b96x160-edge", "fp8_tensor/static",
                                         "fbgemm_fp8/rowwise", "modelopt/mixed-fp8-nvfp4-kv8", "modelopt/nvfp4",
                                         "modelopt/w4a16-awq", "quark/mixed-fp8-int4-mxfp4", "mlx/affine-4bit-g64",
                                         "mlx/affine-mixed-bits", "mlx/modes-mixed", "mlx/mxfp4", "torchao/int4wo-g64",
                                         "torchao/mixed", "quanto/int4", "quanto/mixed", "hqq/hf-4bit-g64-axis1",
                                         "hqq/hf-mixed-axes", "hqq/native-2bit-1bit", "bitnet/autobitlinear",
                                         "bitnet/bitlinear"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '/' || c == '-' ? '_' : c;
                           return name;
                         });

INSTANTIATE_TEST_SUITE_P(Codebooks, FormatFixture,
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

INSTANTIATE_TEST_SUITE_P(PackedIntegers, FormatFixture,
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

TEST_P(FormatFixture, WeightsOnlyNllOfEveryRowEqualsTheGolden) {
  EvalOptions options;
  options.as_deployed = false;
  const Outcome ours = run(folder_, rows_, options);
  const auto golden = expected_.at("weights_only").at("row_nll").get<std::vector<double>>();
  ASSERT_EQ(ours.row_nll.size(), golden.size());
  for (size_t r = 0; r < golden.size(); ++r) EXPECT_NEAR(ours.row_nll[r], golden[r], 1e-5 * golden[r]) << "row " << r;
}

TEST_P(FormatFixture, DeployedPerplexityIsWithinTheFixturesTolerance) {
  if (!expected_.contains("deployed")) GTEST_SKIP() << "this checkpoint does not quantize activations";
  // Rounding ties make quantized activations chaotic: the fixture states how far equal implementations differ.
  const double tolerance = expected_.at("format").at("tolerance").at("deployed_ppl_rel");
  const double golden = expected_.at("deployed").at("ppl");
  EXPECT_NEAR(std::exp(run(folder_, rows_, {}).mean), golden, tolerance * golden);
  if (expected_.contains("deployed_without_kv")) {
    EvalOptions options;
    options.kv_cache = false;
    const double without_kv = expected_.at("deployed_without_kv").at("ppl");
    EXPECT_NEAR(std::exp(run(folder_, rows_, options).mean), without_kv, tolerance * without_kv);
  }
}

class Evaluate : public testing::Test {
 protected:
  /// The demo's rows, so that these tests run in a lone clone as well.
  TokenRows sampled_rows() {
    DataSpec spec;
    spec.token_rows = test::test_data() / "sampled_rows.json";
    return make_rows(spec);
  }
};

TEST_F(Evaluate, TheBaseModelHasItsPublishedPerplexityOnItsOwnSamples) {
  EXPECT_NEAR(std::exp(run(test::test_data() / "base", sampled_rows(), {}).mean), 27.934947, 27.934947 * 1e-6);
}

TEST_F(Evaluate, ResultsAreBitIdenticalForAnyThreadsRowBatchesAndMemory) {
  TokenRows rows = sampled_rows();
  const Outcome whole = run(test::test_data() / "nvfp4", rows, {}, 2);
  EXPECT_EQ(run(test::test_data() / "nvfp4", rows, {}, 1).row_nll, whole.row_nll);
  EvalOptions no_memory;
  no_memory.memory_bytes = 1;
  EXPECT_EQ(run(test::test_data() / "nvfp4", rows, no_memory, 2).row_nll, whole.row_nll);
  for (size_t r = 0; r < rows.rows.size(); r += 5) {
    TokenRows one = rows;
    one.rows = {rows.rows[r]};
    EXPECT_EQ(run(test::test_data() / "nvfp4", one, {}, 2).row_nll[0], whole.row_nll[r]) << r;
  }
}

TEST_F(Evaluate, Bf16ArithmeticStaysNearFloat32) {
  EvalOptions options;
  options.precision = Precision::bf16;
  const TokenRows rows = sampled_rows();
  const double bf16 = run(test::test_data() / "base", rows, options).mean,
               f32 = run(test::test_data() / "base", rows, {}).mean;
  EXPECT_NE(bf16, f32);
  EXPECT_NEAR(bf16, f32, 2e-3);  // operands off by up to 2^-9 each, averaged over 4080 targets
}

TEST_F(Evaluate, RefusesTokensOutsideTheVocabulary) {
  TokenRows rows = sampled_rows();
  rows.rows[3][7] = 1024;
  EXPECT_THROW(run(test::test_data() / "base", rows, {}), Error);
}

TEST_F(Evaluate, StopsWhenTheCallerAsksTo) {
  EvalOptions options;
  int calls = 0;
  options.progress = [&](double) {
    if (++calls == 3) throw Interrupted();
  };
  EXPECT_THROW(run(test::test_data() / "base", sampled_rows(), options), Interrupted);
  EXPECT_EQ(calls, 3);
}

TEST_F(Evaluate, ProgressRisesToOne) {
  EvalOptions options;
  double last = 0;
  options.progress = [&](double fraction) {
    EXPECT_GE(fraction, last);
    last = fraction;
  };
  run(test::test_data() / "base", sampled_rows(), options);
  EXPECT_DOUBLE_EQ(last, 1);
}

TEST_F(Evaluate, NamesTheLayerWhereValuesStopBeingFinite) {
  const test::TempDir copy;
  for (const char* name : {"config.json", "model.safetensors"})
    fs::copy(test::test_data() / "base" / name, copy / name);
  const Checkpoint checkpoint = Checkpoint::open(copy.path());
  const StoredTensor& tensor = checkpoint.at("model.layers.1.mlp.down_proj.weight");
  std::FILE* file = std::fopen((copy / "model.safetensors").c_str(), "r+b");
  std::fseek(file, static_cast<long>(tensor.offset), SEEK_SET);
  const uint16_t nan = 0x7fc0;
  std::fwrite(&nan, sizeof nan, 1, file);
  std::fclose(file);
  try {
    run(copy.path(), sampled_rows(), {});
    FAIL() << "a NaN weight went unnoticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("layer 1 (mlp"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace assay

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "forward/evaluate.h"
#include "model/config.h"
#include "stats/percentile.h"
#include "support/errors.h"
#include "support/format_fixtures.h"
#include "support/safetensors_writer.h"
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
  EvalResult result;
};

Outcome run(const fs::path& folder, const TokenRows& rows, const EvalOptions& options, int threads = 2) {
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
  outcome.result = result;
  for (int64_t r = 0; r < count; ++r) {
    double sum = 0;
    for (int64_t t = 0; t < rows.targets_per_row(); ++t) sum += result.nll[r * rows.targets_per_row() + t];
    outcome.row_nll.push_back(sum / static_cast<double>(rows.targets_per_row()));
    outcome.mean += outcome.row_nll.back() / static_cast<double>(count);
  }
  return outcome;
}

/// Logits [length, vocab] of one row.
std::vector<float> logits_of(const fs::path& folder, const std::vector<int32_t>& ids) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  ThreadPool pool(2);
  return trace(*open_device("cpu", pool), {&checkpoint, &quant, &spec}, ids, {}).logits;
}

class FormatFixture : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSAY_REQUIRE_FIXTURES();
    ASSAY_REQUIRE_SHARED_DATA();
    folder_ = test::fixtures() / GetParam();
    expected_ = read_json(folder_ / "expected.json");
    model_ = test::fixture_model(GetParam());
    // A GGUF file brings its tokenizer along.
    rows_ = fixture_rows(fs::exists(folder_ / "tokenizer.json") ? folder_ : model_);
    ASSERT_EQ(rows_.tokens_sha256, expected_.at("data").at("tokens_sha256").get<std::string>());
  }

  fs::path folder_, model_;
  Json expected_;
  TokenRows rows_;
};

INSTANTIATE_TEST_SUITE_P(Fixtures, FormatFixture, testing::ValuesIn(test::format_fixtures()), test::fixture_name);
INSTANTIATE_TEST_SUITE_P(GptOss, FormatFixture, testing::Values("mxfp4/gptoss-3x2"), test::fixture_name);

TEST_P(FormatFixture, WeightsOnlyNllOfEveryRowEqualsTheGolden) {
  EvalOptions options;
  options.as_deployed = false;
  const Outcome ours = run(model_, rows_, options);
  const auto golden = expected_.at("weights_only").at("row_nll").get<std::vector<double>>();
  ASSERT_EQ(ours.row_nll.size(), golden.size());
  for (size_t r = 0; r < golden.size(); ++r) EXPECT_NEAR(ours.row_nll[r], golden[r], 1e-5 * golden[r]) << "row " << r;
}

/// A run on the same rows, kept as a reference.
Reference reference_of(const fs::path& model, const TokenRows& rows, const fs::path& folder, EvalOptions options = {},
                       double* mean_nll = nullptr) {
  options.keep = [&](const Reference::Content& content) { Reference::write(folder, content, [](double) {}); };
  const Outcome outcome = run(model, rows, options);
  if (mean_nll) *mean_nll = outcome.mean;
  return Reference::open(folder);
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// How far the mean divergence of `count` positions may be from a golden of the same forward pass in another order of
/// summation. 1e-5 relative or 1e-9 absolute are the fixtures' own. Single positions keep the noise of float32 logits,
/// 1e-5 (what the architecture fixtures state for such models): the divergence changes by at most the total variation
/// between the two distributions times that on either side, which Pinsker's inequality bounds by sqrt(2 KL).
double tolerance(double golden, double count) {
  return std::max({1e-5 * golden, 1e-9, std::sqrt(2 * golden / count) * 1e-5});
}

TEST_P(FormatFixture, WeightsOnlyDivergenceFromTheBaseModelEqualsTheGolden) {
  const bool mixture = GetParam().find("/moe_") != std::string::npos;
  const fs::path base = test::fixtures() / (mixture ? "compressed_tensors/moe_reference" : "base");
  const test::TempDir folder;
  double base_nll = 0;
  const Reference reference = reference_of(base, rows_, folder / "reference", {}, &base_nll);
  const double base_ppl = expected_.at("reference_ppl");
  if (std::fabs(std::exp(base_nll) - base_ppl) > 1e-5 * base_ppl)
    GTEST_SKIP() << "the model that this checkpoint was made from is not among the fixtures";
  EvalOptions options;
  options.as_deployed = false;
  options.reference = &reference;
  const TokenMeasures m = run(model_, rows_, options).result.measures;
  const Json& golden = expected_.at("weights_only");
  const auto scored = rows_.targets_per_row();
  std::vector<double> all;
  for (int64_t r = 0; r < m.rows; ++r) {
    const auto first = m.kld.begin() + r * m.count;
    all.insert(all.end(), first, first + scored);
    const double want = golden.at("row_kld").at(r);
    EXPECT_NEAR(mean(std::span(first, first + scored)), want, tolerance(want, static_cast<double>(scored))) << r;
  }
  const auto near = [&](const char* key, double ours, double count) {
    EXPECT_NEAR(ours, golden.at(key).get<double>(), tolerance(golden.at(key), count)) << key;
  };
  near("kld_mean", mean(all), static_cast<double>(all.size()));
  near("kld_max", *std::max_element(all.begin(), all.end()), 1);
  std::sort(all.begin(), all.end());
  near("kld_median", median_lower(all), 1);
  double agree = 0;
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t t = 0; t < scored; ++t) agree += m.reference_top_rank[r * m.count + t] == 0;
  EXPECT_DOUBLE_EQ(agree / static_cast<double>(all.size()), golden.at("top1_agree").get<double>());
}

TEST_P(FormatFixture, DeployedPerplexityIsWithinTheFixturesTolerance) {
  if (!expected_.contains("deployed")) GTEST_SKIP() << "this checkpoint does not quantize activations";
  // Rounding ties make quantized activations chaotic: the fixture states how far equal implementations differ.
  const double tolerance = expected_.at("format").at("tolerance").at("deployed_ppl_rel");
  const double golden = expected_.at("deployed").at("ppl");
  EXPECT_NEAR(std::exp(run(model_, rows_, {}).mean), golden, tolerance * golden);
  if (expected_.contains("deployed_without_kv")) {
    EvalOptions options;
    options.kv_cache = false;
    const double without_kv = expected_.at("deployed_without_kv").at("ppl");
    EXPECT_NEAR(std::exp(run(model_, rows_, options).mean), without_kv, tolerance * without_kv);
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

TEST_F(Evaluate, AModelAgainstItselfDivergesByExactlyNothing) {
  const TokenRows rows = sampled_rows();
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const test::TempDir folder;
    EvalOptions options;
    options.precision = precision;
    const Reference reference = reference_of(test::test_data() / "nvfp4", rows, folder / "reference", options);
    options.reference = &reference;
    const TokenMeasures m = run(test::test_data() / "nvfp4", rows, options).result.measures;
    EXPECT_EQ(std::ssize(m.kld), 16 * 256);
    for (size_t i = 0; i < m.kld.size(); ++i) {
      ASSERT_EQ(m.kld[i], 0) << i;
      ASSERT_EQ(m.reverse_kld[i], 0) << i;
      ASSERT_EQ(m.reference_top_rank[i], 0) << i;
      ASSERT_EQ(m.top10_common[i], 10) << i;
    }
  }
}

TEST_F(Evaluate, RanksOfTheReferencesFavouriteAreExactBeyondTheFirstTen) {
  TokenRows rows = sampled_rows();
  rows.rows.resize(1);
  const test::TempDir folder;
  const Reference kept = reference_of(test::test_data() / "base", rows, folder / "kept");
  EvalOptions options;
  options.reference = &kept;
  // The same model with the sign of its final norm turned, and so of all logits.
  const fs::path turned = folder / "turned";
  fs::copy(test::test_data() / "base", turned);
  const StoredTensor norm = *Checkpoint::open(turned).find("model.norm.weight");
  ASSERT_EQ(norm.dtype, DType::BF16);
  std::string bytes = read_file(turned / "model.safetensors");
  for (uint64_t at = norm.offset + 1; at < norm.offset + norm.bytes; at += 2) bytes[at] ^= '\x80';
  test::write_text(turned / "model.safetensors", bytes);
  const TokenMeasures m = run(turned, rows, options).result.measures;
  const std::vector<float> reference = logits_of(test::test_data() / "base", rows.rows[0]);
  const std::vector<float> model = logits_of(turned, rows.rows[0]);
  const int64_t vocab = kept.vocab(), first = rows.first_scored_position();
  int32_t worst = 0;
  for (int64_t i = 0; i < m.count; ++i) {
    const float *theirs = &reference[(first + i) * vocab], *ours = &model[(first + i) * vocab];
    const auto favourite = std::max_element(theirs, theirs + vocab) - theirs;
    const auto above = std::count_if(ours, ours + vocab, [&](float x) { return x > ours[favourite]; });
    ASSERT_EQ(m.reference_top_rank[i], above) << i;
    worst = std::max(worst, m.reference_top_rank[i]);
  }
  EXPECT_GT(worst, 10);
}

TEST_F(Evaluate, LogitsThatCompareQStoredServeAsAReference) {
  TokenRows rows = sampled_rows();
  rows.rows.resize(3);
  const test::TempDir folder;
  const Reference kept = reference_of(test::test_data() / "base", rows, folder / "kept");
  EvalOptions options;
  options.reference = &kept;
  const TokenMeasures expected = run(test::test_data() / "nvfp4", rows, options).result.measures;

  const int64_t positions = rows.scored_positions(), vocab = kept.vocab(), first = rows.first_scored_position();
  std::vector<float> all;
  std::vector<int32_t> ids;
  fs::create_directory(folder / "rows");
  test::SafetensorsWriter numbered;
  for (size_t r = 0; r < rows.rows.size(); ++r) {
    const std::vector<float> logits = logits_of(test::test_data() / "base", rows.rows[r]);
    const std::vector<float> own(logits.begin() + first * vocab, logits.begin() + (first + positions) * vocab);
    test::SafetensorsWriter one;
    one.add("tensor", DType::F32, {1, positions, vocab}, own)
        .save(folder / fmt::format("rows/row_{:06}.safetensors", r));
    numbered.add(fmt::format("tensor.{}", r), DType::F32, {1, positions, vocab}, own);
    all.insert(all.end(), own.begin(), own.end());
    ids.insert(ids.end(), rows.rows[r].begin(), rows.rows[r].end());
  }
  numbered.save(folder / "numbered.safetensors");
  const auto count = static_cast<int64_t>(rows.rows.size()), length = static_cast<int64_t>(rows.rows[0].size());
  test::SafetensorsWriter().add("tensor", DType::F32, {count, positions, vocab}, all).save(folder / "all.safetensors");
  const Reference::Targets targets{ids, count, length, first, positions};
  for (const char* path : {"rows", "numbered.safetensors", "all.safetensors"}) {
    const Reference stored = Reference::of_logits(folder / path, targets);
    options.reference = &stored;
    const TokenMeasures m = run(test::test_data() / "nvfp4", rows, options).result.measures;
    for (size_t i = 0; i < m.kld.size(); ++i) {
      ASSERT_NEAR(m.kld[i], expected.kld[i], 1e-9 + 1e-6 * expected.kld[i]) << path << " " << i;
      ASSERT_EQ(m.reference_top_rank[i], expected.reference_top_rank[i]) << path << " " << i;
      ASSERT_NEAR(m.reference_confidence[i], expected.reference_confidence[i], 1e-6);
      if (std::isnan(expected.target_difference[i])) continue;
      ASSERT_NEAR(m.target_difference[i], expected.target_difference[i], 1e-6) << path << " " << i;
    }
  }
  const auto refusal = [&](const fs::path& path, const Reference::Targets& wanted) {
    return test::error_of([&] { Reference::of_logits(path, wanted); });
  };
  Reference::Targets more = targets;
  more.rows = 4;
  test::expect_contains(refusal(folder / "rows", more), "row_000003.safetensors");
  test::expect_contains(refusal(folder / "numbered.safetensors", more), "\"tensor.3\"");
  test::expect_contains(refusal(folder / "all.safetensors", more), "belong to other rows");
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

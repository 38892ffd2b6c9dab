#include <nlohmann/json.hpp>

#include "forward/evaluate.h"
#include "model/config.h"
#include "support/support.h"

namespace assay {
namespace {

/// Every kind of mixer, and what layers keep for others.
class MixerRuns : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { ASSAY_REQUIRE_FIXTURES(); }
};

INSTANTIATE_TEST_SUITE_P(Fixtures, MixerRuns,
                         testing::Values("deepseek_v3", "falcon_h1", "gemma3n_text", "gemma4_text", "gemma4_text_moe",
                                         "lfm2", "llama4_text", "mamba", "minimax", "qwen3_next"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(MixerRuns, DoNotDependOnMemoryThreadsOrTheRowsBeside) {
  const auto folder = test::fixtures() / "architectures" / GetParam();
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  const auto two = read_json(folder / "expected.json").at("input_ids").get<std::vector<std::vector<int32_t>>>();
  // More rows than pass through a layer at once.
  const auto length = static_cast<int64_t>(two[0].size()), rows = int64_t{91};
  std::vector<int32_t> ids;
  for (int64_t r = 0; r < rows; ++r) ids.insert(ids.end(), two[r % 2].begin(), two[r % 2].end());
  const auto run = [&](int64_t count, int threads, uint64_t memory) {
    ThreadPool pool(threads);
    const auto device = open_device("cpu", pool);
    EvalInput input;
    input.ids = std::span(ids).first(static_cast<size_t>(count * length));
    input.rows = count;
    input.length = length;
    input.count = length - 1;
    EvalOptions options;
    options.memory_bytes = memory;
    return evaluate(*device, {&checkpoint, &quant, &spec}, input, options).nll;
  };
  const std::vector<double> alone = run(2, 1, uint64_t{8} << 30);
  std::vector<double> repeated;
  const auto row = static_cast<std::ptrdiff_t>(length - 1);
  for (int64_t r = 0; r < rows; ++r) {
    repeated.insert(repeated.end(), alone.begin() + r % 2 * row, alone.begin() + (r % 2 + 1) * row);
  }
  EXPECT_EQ(run(rows, 3, uint64_t{8} << 30), repeated);
  EXPECT_EQ(run(rows, 2, 1), repeated) << "with hidden states in a file";
}

}  // namespace
}  // namespace assay

#include "forward/layer_errors.h"

#include <random>

#include "model/config.h"
#include "support/errors.h"
#include "support/support.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct Opened {
  explicit Opened(const fs::path& path)
      : checkpoint(Checkpoint::open(path)), quant(QuantConfig::of(checkpoint)), spec(read_model_spec(checkpoint)) {}
  Checkpoint checkpoint;
  QuantConfig quant;
  ModelSpec spec;
};

LayerErrors errors_of(const fs::path& reference, const fs::path& model, EvalOptions options = {}, int threads = 2,
                      uint32_t vocabulary = 200) {
  const Opened a(reference), b(model);
  ThreadPool pool(threads);
  const auto device = open_device("cpu", pool);
  std::mt19937 random(5);
  std::vector<int32_t> ids(2 * 64);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % vocabulary);
  return measure_layers(*device, pool, {&a.checkpoint, &a.quant, &a.spec}, {&b.checkpoint, &b.quant, &b.spec},
                        {ids, 2, 64, 0, 63}, options);
}

TEST(LayerErrorsTest, AModelAgainstItselfHasNone) {
  const LayerErrors errors = errors_of(test::test_data() / "w4a16", test::test_data() / "w4a16");
  ASSERT_EQ(errors.layers.size(), 3u);
  for (const LayerErrors::Layer& layer : errors.layers) {
    EXPECT_EQ(layer.own, 0);
    EXPECT_EQ(layer.cumulative, 0);
    ASSERT_EQ(layer.linears.size(), 7u);
    for (const LayerErrors::Linear& linear : layer.linears) {
      EXPECT_EQ(linear.weight, 0) << linear.name;
      EXPECT_EQ(linear.output, 0) << linear.name;
    }
  }
}

TEST(LayerErrorsTest, LayersMayTakeKeysOfEarlierOnes) {
  ASSAY_REQUIRE_FIXTURES();
  for (const char* name : {"gemma3n_text", "gemma4_text"}) {
    const fs::path model = test::fixtures() / "architectures" / name;
    for (const LayerErrors::Layer& layer : errors_of(model, model, {}, 2, 96).layers) {
      EXPECT_EQ(layer.own, 0) << name;
      EXPECT_EQ(layer.cumulative, 0) << name;
      for (const LayerErrors::Linear& linear : layer.linears) EXPECT_EQ(linear.output, 0) << linear.name;
    }
  }
}

TEST(LayerErrorsTest, EachLayerAndLinearIsMeasuredAloneAndAllTogether) {
  EvalOptions weights_only;
  weights_only.as_deployed = false;
  const LayerErrors errors = errors_of(test::test_data() / "base", test::test_data() / "w4a16", weights_only);
  EXPECT_EQ(errors.layers[0].own, errors.layers[0].cumulative) << "nothing came before";
  EXPECT_EQ(errors.layers[0].linears.front().name, "self_attn.q_proj");
  for (const LayerErrors::Layer& layer : errors.layers) {
    double sum = 0;
    for (const LayerErrors::Linear& linear : layer.linears) {
      EXPECT_GT(linear.weight, 0.01) << linear.name;
      EXPECT_LT(linear.weight, 0.3) << linear.name;
      EXPECT_GT(linear.output, 0) << linear.name;
      EXPECT_LT(linear.output, layer.own * 1.2) << linear.name;
      sum += linear.output * linear.output;
    }
    // Errors of different linears are nearly orthogonal.
    EXPECT_NEAR(std::sqrt(sum), layer.own, 0.3 * layer.own);
  }
  EXPECT_GT(errors.layers[2].cumulative, errors.layers[2].own);
}

TEST(LayerErrorsTest, ThreadsAndMemoryChangeNothing) {
  const auto numbers = [](const LayerErrors& errors) {
    std::vector<double> all;
    for (const LayerErrors::Layer& layer : errors.layers) {
      all.push_back(layer.own);
      all.push_back(layer.cumulative);
      for (const LayerErrors::Linear& linear : layer.linears) all.insert(all.end(), {linear.weight, linear.output});
    }
    return all;
  };
  const fs::path base = test::test_data() / "base", model = test::test_data() / "nvfp4";
  const auto expected = numbers(errors_of(base, model));
  EXPECT_EQ(numbers(errors_of(base, model, {}, 1)), expected);
  EvalOptions no_memory;
  no_memory.memory_bytes = 1;
  EXPECT_EQ(numbers(errors_of(base, model, no_memory)), expected);
}

TEST(LayerErrorsTest, ExpertsAreOneLinearEach) {
  ASSAY_REQUIRE_FIXTURES();
  const fs::path folder = test::fixtures() / "compressed_tensors";
  const LayerErrors errors = errors_of(folder / "moe_reference", folder / "moe_w4a16");
  std::vector<std::string> names;
  for (const LayerErrors::Linear& linear : errors.layers.at(0).linears) names.push_back(linear.name);
  EXPECT_EQ(names, (std::vector<std::string>{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                             "self_attn.o_proj", "mlp.gate", "mlp.experts.*.gate_proj",
                                             "mlp.experts.*.up_proj", "mlp.experts.*.down_proj"}));
  EXPECT_EQ(errors.layers[0].linears[4].output, 0) << "the router is not quantized";
  EXPECT_GT(errors.layers[0].linears[7].output, 0);
}

TEST(LayerErrorsTest, RotatedLinearsAreNotMeasuredOneByOne) {
  ASSAY_REQUIRE_FIXTURES();
  const LayerErrors errors =
      errors_of(test::fixtures() / "base", test::fixtures() / "compressed_tensors/spinquant_w4a16");
  EXPECT_FALSE(errors.notes.empty());
}

TEST(LayerErrorsTest, ModelsWithOtherLayersAreRefused) {
  ASSAY_REQUIRE_FIXTURES();
  const std::string message =
      test::error_of([] { errors_of(test::test_data() / "base", test::fixtures() / "architectures/llama"); });
  test::expect_contains(message, "cannot be compared by layer");
}

}  // namespace
}  // namespace assay

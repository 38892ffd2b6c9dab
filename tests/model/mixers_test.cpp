#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "model/config.h"
#include "model/linears.h"
#include "model/rope.h"
#include "model/storage.h"
#include "support/architecture_fixtures.h"
#include "support/errors.h"
#include "support/support.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const std::string& fixture) {
  return test::fixtures() / "architectures" / fixture;
}

ModelSpec spec_of(const std::string& fixture) {
  return read_model_spec(Checkpoint::open(folder_of(fixture)));
}

/// What is stored and is no matrix of a linear layer: vectors, convolutions, state space parameters, MiniMax's decays
/// (which are computed), and what is behind the last layer.
bool is_other(const std::string& name, const StoredTensor& tensor, const ModelSpec& model) {
  if (tensor.shape.size() < 2 || name.ends_with("conv1d.weight") || name.ends_with("conv.conv.weight")) return true;
  if (name.ends_with("A_log") || name.ends_with("_decay") || name.ends_with("slope_rate")) return true;
  return name.find("layers." + std::to_string(model.layers.size()) + ".") != std::string::npos;
}

class Mixers : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Fixtures, Mixers, testing::ValuesIn(test::kMixerFixtures),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Mixers, EveryStoredMatrixBelongsToTheModelOnce) {
  ASSAY_REQUIRE_FIXTURES();
  const Checkpoint checkpoint = Checkpoint::open(folder_of(GetParam()));
  const ModelSpec model = read_model_spec(checkpoint);
  EXPECT_EQ(model.notes, std::vector<std::string>{});
  std::map<std::string, std::set<int64_t>> rows;
  std::map<std::string, int64_t> weights;
  std::set<std::string> dense_names;
  const auto claim = [&](const LinearSpec& linear) {
    const std::string name = checkpoint.find(linear.module) ? linear.module : linear.module + ".weight";
    for (int64_t r = 0; r < linear.out; ++r) {
      EXPECT_TRUE(rows[name].insert(linear.stored_row(r)).second) << name << " row " << linear.stored_row(r);
    }
    weights[name] += linear.out * linear.in;
    EXPECT_TRUE(dense_names.insert(linear.dense_name).second) << linear.dense_name;
  };
  for_each_linear(model, claim);
  if (!model.tied) claim(model.head);
  weights[model.embedding + ".weight"] += model.vocab * model.hidden;
  if (const auto& inputs = model.layer_inputs) {
    weights[inputs->embedding + ".weight"] += inputs->vocab * inputs->layers * inputs->width;
  }
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    if (is_other(name, tensor, model)) continue;
    EXPECT_EQ(weights[name], tensor.elements()) << name;
  }
}

TEST_P(Mixers, EveryMatrixIsCountedAndNothingElse) {
  ASSAY_REQUIRE_FIXTURES();
  const Checkpoint checkpoint = Checkpoint::open(folder_of(GetParam()));
  const ModelSpec model = read_model_spec(checkpoint);
  const Storage storage = measure_storage(checkpoint, QuantConfig::of(checkpoint), model);
  uint64_t matrices = 0, others = 0;
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    (is_other(name, tensor, model) ? others : matrices) += tensor.bytes * 8;
  }
  const uint64_t head = model.tied ? 0 : storage.head.bits;
  EXPECT_EQ(storage.decoder.bits + head + storage.embedding.bits, matrices);
  EXPECT_EQ(storage.other.bits, others);
  EXPECT_EQ(storage.decoder.bits, storage.decoder.weights * 16);
}

TEST(Deepseek, ScalesScoresByYarnsMagnitudeTwice) {
  ASSAY_REQUIRE_FIXTURES();
  const ModelSpec model = spec_of("deepseek_v2");
  const auto& attention = std::get<LatentAttentionSpec>(model.layers.at(0).mixer);
  const double magnitude = 0.1 * 0.5 * std::log(4.0) + 1;
  EXPECT_DOUBLE_EQ(attention.scale, magnitude * magnitude / std::sqrt(24.0));
  EXPECT_TRUE(model.ropes.at(0).interleaved);
  EXPECT_EQ(model.ropes.at(0).dims, 8);
  EXPECT_EQ(attention.q_norm.eps, 1e-6);
  EXPECT_EQ(attention.kv_norm.eps, 1e-6);
}

TEST(Deepseek, RoutesByGroups) {
  ASSAY_REQUIRE_FIXTURES();
  const RoutingSpec v3 = std::get<MoeSpec>(spec_of("deepseek_v3").layers.at(1).mlp).routing;
  EXPECT_EQ(v3.scores, RoutingSpec::Scores::sigmoid);
  EXPECT_EQ(v3.groups, 4);
  EXPECT_EQ(v3.top_groups, 2);
  EXPECT_EQ(v3.scale, 1.6);
  EXPECT_TRUE(v3.renormalize);
  const RoutingSpec v2 = std::get<MoeSpec>(spec_of("deepseek_v2").layers.at(1).mlp).routing;
  EXPECT_EQ(v2.scores, RoutingSpec::Scores::softmax);
  EXPECT_FALSE(v2.renormalize);
  EXPECT_EQ(std::get<MoeSpec>(spec_of("deepseek_v2_lite").layers.at(1).mlp).routing.groups, 1);
}

TEST(Qwen3Next, SplitsProjectionsByKeyHead) {
  ASSAY_REQUIRE_FIXTURES();
  const ModelSpec model = spec_of("qwen3_next");
  const auto& mixer = std::get<DeltaNetSpec>(model.layers.at(0).mixer);
  EXPECT_EQ(mixer.q.stored_row(16), 96);  // the second key head begins after q, k, two v and two z of 16 each
  EXPECT_EQ(mixer.v.stored_row(0), 32);
  EXPECT_EQ(mixer.z.stored_row(32), 96 + 64);
  EXPECT_EQ(mixer.a.stored_row(2), 6);
  const AttentionSpec& attention = model.layers.at(1).attention();
  EXPECT_EQ(attention.q.stored_row(32), 64);
  EXPECT_EQ(attention.gate->stored_row(0), 32);
  EXPECT_EQ(model.ropes.at(0).dims, 8);
}

TEST(Mamba2, LimitsItsTimeStepsAsTheConfigSays) {
  ASSAY_REQUIRE_FIXTURES();
  const ModelSpec model = spec_of("mamba2");
  const auto& mixer = std::get<Mamba2Spec>(model.layers.at(0).mixer);
  EXPECT_EQ(mixer.dt_low, 0);
  EXPECT_EQ(mixer.dt_high, std::numeric_limits<double>::infinity());
}

TEST(Gemma4, SharesKeysOfTheLastLayerOfAKind) {
  ASSAY_REQUIRE_FIXTURES();
  const ModelSpec model = spec_of("gemma4_text");
  EXPECT_EQ(model.layers.at(0).attention().keeps_kv, 0);
  EXPECT_EQ(model.layers.at(2).attention().takes_kv, 0);
  EXPECT_EQ(model.layers.at(3).attention().takes_kv, 1);
  EXPECT_EQ(model.layers.at(3).attention().head_dim, 32);
  const RopeTable table = make_rope_table(model.ropes.at(0), 2);
  EXPECT_EQ(table.pairs, 16);
  EXPECT_EQ(table.sin.at(16 + 4), 0) << "only the first quarter rotates";
  EXPECT_NE(table.sin.at(16 + 3), 0);
}

/// What is said about a fixture with another value of one key.
std::string refusal_of(const std::string& fixture, const std::string& key, const Json& value) {
  const test::TempDir folder;
  fs::copy(folder_of(fixture) / "model.safetensors", folder / "model.safetensors");
  Json config = read_json(folder_of(fixture) / "config.json");
  config[key] = value;
  test::write_text(folder / "config.json", config.dump());
  return test::error_of([&] { read_model_spec(Checkpoint::open(folder.path())); });
}

TEST(MixerConfig, KeysThatMakeNoSenseOrAreNotHandledAreNamed) {
  ASSAY_REQUIRE_FIXTURES();
  const std::vector<std::tuple<const char*, const char*, Json>> cases = {
      {"deepseek_v3", "n_group", 3},
      {"deepseek_v3", "topk_group", 5},
      {"deepseek_v3", "scoring_func", "softmax"},
      {"deepseek_v3", "num_experts_per_tok", 5},
      {"deepseek_v3", "sliding_window", 16},
      {"deepseek_v2", "norm_topk_prob", true},
      {"deepseek_v2", "topk_method", "random"},
      {"qwen3_next", "layer_types", {"full_attention"}},
      {"qwen3_next", "linear_num_value_heads", 3},
      {"qwen3_5_text", "attn_output_gate", false},
      {"llama4_text", "no_rope_layers", {1, 0}},
      {"llama4_text", "moe_layers", {7}},
      {"mamba", "hidden_act", "gelu"},
      {"mamba", "conv_kernel", 1 << 20},
      {"mamba2", "time_step_limit", {2.0, 1.0}},
      {"mamba2", "head_dim", 7},
      {"granitemoehybrid", "layer_types", {"mamba", "rwkv"}},
      {"falcon_h1", "ssm_multipliers", {1.0}},
      {"falcon_h1", "mamba_n_groups", 3},
      {"lfm2", "layer_types", {"conv", "conv", "sliding_attention"}},
      {"gemma3n_text", "num_kv_shared_layers", 5},
      {"gemma3n_text", "activation_sparsity_pattern", {0.9, 1.5, 0, 0, 0}},
      {"gemma3n_text", "altup_active_idx", 3},
      {"gemma4_text", "use_bidirectional_attention", "all"},
  };
  for (const auto& [fixture, key, value] : cases) {
    SCOPED_TRACE(std::string(fixture) + " " + key);
    test::expect_contains(refusal_of(fixture, key, value), key);
  }
}

}  // namespace
}  // namespace assay

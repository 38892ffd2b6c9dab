#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "model/config.h"
#include "model/linears.h"
#include "support/architecture_fixtures.h"
#include "tiny_checkpoint.h"

namespace assay {
namespace {

using test::fixtures;

/// A fixture with another of its config files, as a folder of its own.
Checkpoint open_with_config(const std::string& fixture, const std::string& config, const test::TempDir& folder) {
  const auto from = fixtures() / "architectures" / fixture;
  std::filesystem::copy_file(from / "model.safetensors", folder / "model.safetensors");
  std::filesystem::copy_file(from / config, folder / "config.json");
  return Checkpoint::open(folder.path());
}

std::vector<std::string> configs_of(const std::string& fixture) {
  std::vector<std::string> names = {"config.json"};
  if (std::filesystem::exists(fixtures() / "architectures" / fixture / "config_v4.json")) {
    names.push_back("config_v4.json");
  }
  return names;
}

/// What a spec says about the stored tensors: name -> [rows, columns], every row of it claimed exactly once.
class Claims {
 public:
  void matrix(const std::string& name, int64_t first, int64_t rows, int64_t cols) {
    for (int64_t row = first; row < first + rows; ++row) {
      EXPECT_TRUE(rows_[name].insert(row).second) << name << " row " << row << " is claimed twice";
    }
    cols_[name] = cols;
  }
  /// A vector, also one that is stored as a matrix of one row.
  void row(const std::string& name, int64_t count) { matrix(name, 0, 1, count); }
  void linear(const LinearSpec& linear) {
    const std::string tensor = tensor_of(linear);
    for (int64_t r = 0; r < linear.out; ++r) {
      if (linear.stack_rows == 0) {
        matrix(tensor, linear.stored_row(r), 1, linear.in);
      } else {
        EXPECT_TRUE(columns_[tensor].insert(linear.stored_row(r)).second) << tensor << " column " << r;
        cols_[tensor] = linear.in;
      }
      if (!linear.bias.empty()) matrix(linear.bias, linear.stored_row(r), 1, 1);
    }
  }
  void norm(const NormSpec& norm) {
    for (const std::string& name : {norm.weight, norm.bias}) {
      if (!name.empty()) matrix(name, norm.part * norm.width, norm.width, 1);
    }
  }
  void branch(const BranchSpec& branch) {
    for (const NormSpec* part : {&branch.input_norm, &branch.output_norm, &branch.sum_norm}) norm(*part);
  }

  void expect_all_of(const Checkpoint& checkpoint) const {
    for (const auto& [name, tensor] : checkpoint.tensors()) {
      if (name.find("vision") != std::string::npos || name.find("projector") != std::string::npos ||
          name.find("visual") != std::string::npos)
        continue;
      const auto& claimed_of = columns_.contains(name) ? columns_ : rows_;
      ASSERT_TRUE(claimed_of.contains(name)) << name << " is not part of the spec";
      EXPECT_EQ(std::ssize(claimed_of.at(name)) * cols_.at(name), tensor.elements())
          << name << ", stored " << tensor.describe();
      if (tensor.shape.size() > 1 && rows_.contains(name) && cols_.at(name) > 1) {
        EXPECT_EQ(cols_.at(name), tensor.shape.back()) << name;
      }
    }
    for (const auto& [name, rows] : rows_) EXPECT_NE(checkpoint.find(name), nullptr) << name << " is not stored";
    for (const auto& [name, rows] : columns_) EXPECT_NE(checkpoint.find(name), nullptr) << name << " is not stored";
  }

 private:
  static std::string tensor_of(const LinearSpec& linear) {
    static const std::vector<std::string> kBare = {
        ".experts.gate_up_proj", ".experts.down_proj", "linear.weight", ".mlp.w1", ".mlp.v1", ".mlp.w2"};
    const bool bare = std::ranges::any_of(kBare, [&](const auto& name) { return linear.module.ends_with(name); });
    return bare ? linear.module : linear.module + ".weight";
  }
  std::map<std::string, std::set<int64_t>> rows_;
  std::map<std::string, std::set<int64_t>> columns_;  // of tensors that are stored transposed
  std::map<std::string, int64_t> cols_;
};

void claim_attention(const AttentionSpec& attention, Claims& claims) {
  for (const auto* norms : {&attention.q_norm, &attention.k_norm}) {
    for (const NormSpec& norm : *norms) claims.norm(norm);
  }
  claims.norm(attention.output_norm);
  if (!attention.sinks.empty()) claims.matrix(attention.sinks, 0, attention.heads, 1);
}

void claim_mlp(const MlpSpec& mlp, Claims& claims) {
  claims.norm(mlp.inner_norm);
  if (mlp.activation != Activation::xielu) return;
  for (const char* name : {".alpha_p", ".alpha_n", ".beta", ".eps"})
    claims.matrix(mlp.activation_module + name, 0, 1, 1);
}

Claims claims_of(const ModelSpec& model) {
  Claims claims;
  const InputSpec& input = model.input;
  claims.matrix(model.embedding + ".weight", 0, model.vocab, input.project ? input.project->in : model.hidden);
  if (!input.positions.empty()) claims.matrix(input.positions + ".weight", 0, input.position_rows, model.hidden);
  claims.norm(input.norm);
  if (!model.tied) claims.linear(model.head);
  if (model.tied && !model.head.bias.empty()) claims.matrix(model.head.bias, 0, model.vocab, 1);
  claims.norm(model.final_norm);
  for_each_linear(model, [&](const LinearSpec& linear) { claims.linear(linear); });
  for (const LayerSpec& layer : model.layers) {
    claims.branch(layer.mixer_branch);
    BranchSpec mlp_branch = layer.mlp_branch;
    if (mlp_branch.input_norm == layer.mixer_branch.input_norm) mlp_branch.input_norm = {};  // parallel parts share it
    claims.branch(mlp_branch);
    if (const auto* attention = std::get_if<AttentionSpec>(&layer.mixer)) claim_attention(*attention, claims);
    if (const auto* mlp = std::get_if<MlpSpec>(&layer.mlp)) claim_mlp(*mlp, claims);
    const auto* moe = std::get_if<MoeSpec>(&layer.mlp);
    if (moe && !moe->routing.bias.empty()) claims.row(moe->routing.bias, moe->router.out);
  }
  return claims;
}

class EveryArchitecture : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Fixtures, EveryArchitecture, testing::ValuesIn(test::kArchitectureFixtures),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(EveryArchitecture, ClaimsEveryStoredTensorAndKnowsEveryKey) {
  ASSAY_REQUIRE_FIXTURES();
  for (const std::string& config : configs_of(GetParam())) {
    SCOPED_TRACE(config);
    const test::TempDir folder;
    const Checkpoint checkpoint = open_with_config(GetParam(), config, folder);
    const ModelSpec model = read_model_spec(checkpoint);
    claims_of(model).expect_all_of(checkpoint);
    for (const std::string& note : model.notes) EXPECT_EQ(note.find("not known to assay"), std::string::npos) << note;
  }
}

struct Expected {
  std::string fixture;
  std::string architecture;
  std::vector<int64_t> windows;  // one for each layer
  double theta;
  RopeSpec::Type rope = RopeSpec::Type::plain;
  bool tied = false;
  Activation activation = Activation::silu;
  std::vector<int64_t> experts = {};  // one for each layer, 0 = dense; empty: all dense
  int64_t top_k = 0;
  bool renormalize = true;
};

class Architectures : public testing::TestWithParam<Expected> {};

TEST_P(Architectures, AreReadFromBothConfigStyles) {
  ASSAY_REQUIRE_FIXTURES();
  const Expected& expected = GetParam();
  for (const std::string& config : configs_of(expected.fixture)) {
    SCOPED_TRACE(expected.fixture + "/" + config);
    const test::TempDir folder;
    const Checkpoint checkpoint = open_with_config(expected.fixture, config, folder);
    const ModelSpec model = read_model_spec(checkpoint);
    EXPECT_EQ(model.architecture, expected.architecture);
    EXPECT_EQ(model.tied, expected.tied);
    EXPECT_EQ(model.hidden, 64);
    EXPECT_EQ(model.final_norm.eps, 2e-3);
    ASSERT_EQ(model.ropes.size(), 1u);
    EXPECT_EQ(model.ropes[0].theta, expected.theta);
    EXPECT_EQ(model.ropes[0].type, expected.rope);
    EXPECT_EQ(model.ropes[0].dims, model.layers.at(0).attention().head_dim);
    ASSERT_EQ(model.layers.size(), expected.windows.size());
    for (size_t i = 0; i < model.layers.size(); ++i) {
      SCOPED_TRACE("layer " + std::to_string(i));
      const LayerSpec& layer = model.layers[i];
      EXPECT_EQ(layer.attention().window, expected.windows[i]);
      EXPECT_EQ(layer.attention().heads, 4);
      EXPECT_EQ(layer.attention().kv_heads, 2);
      EXPECT_DOUBLE_EQ(layer.attention().scale * layer.attention().scale * layer.attention().head_dim, 1);
      EXPECT_EQ(layer.mixer_branch.input_norm.eps, 2e-3);
      const auto* moe = std::get_if<MoeSpec>(&layer.mlp);
      ASSERT_EQ(moe ? static_cast<int64_t>(moe->experts.size()) : 0,
                expected.experts.empty() ? 0 : expected.experts[i]);
      EXPECT_EQ((moe ? moe->experts[0] : std::get<MlpSpec>(layer.mlp)).activation, expected.activation);
      if (moe) {
        EXPECT_EQ(moe->routing.top_k, expected.top_k);
        EXPECT_EQ(moe->routing.renormalize, expected.renormalize);
      }
    }
    claims_of(model).expect_all_of(checkpoint);
    if (expected.fixture.find("names5") == std::string::npos && expected.fixture != "mistral3") {
      EXPECT_EQ(model.notes, std::vector<std::string>{});
    }
  }
}

using Type = RopeSpec::Type;

INSTANTIATE_TEST_SUITE_P(
    Fixtures, Architectures,
    testing::Values(
        Expected{"llama", "llama", {0, 0}, 10000},
        Expected{"llama_bias_tied", "llama", {0, 0, 0}, 500000, Type::plain, true, Activation::gelu},
        Expected{"llama_rope_linear", "llama", {0, 0}, 10000, Type::linear},
        Expected{"llama_rope_dynamic", "llama", {0, 0}, 10000, Type::dynamic},
        Expected{"llama_rope_llama3", "llama", {0, 0}, 500000, Type::llama3},
        Expected{"llama_rope_longrope", "llama", {0, 0}, 10000, Type::longrope},
        Expected{"llama_rope_yarn", "llama", {0, 0}, 10000, Type::yarn},
        Expected{"llama_rope_yarn_opts", "llama", {0, 0}, 10000, Type::yarn},
        Expected{"mistral", "mistral", {16, 16}, 10000}, Expected{"mistral3", "mistral", {0, 0}, 1e9},
        Expected{"mistral3_names5", "mistral", {0, 0}, 1e9}, Expected{"ministral", "ministral", {16, 0, 16}, 1e6},
        Expected{"qwen2", "qwen2", {0, 16}, 1e6}, Expected{"qwen2_tied", "qwen2", {0, 0}, 1e6, Type::plain, true},
        Expected{"qwen3", "qwen3", {0, 0}, 1e6, Type::plain, true},
        Expected{"qwen3_bias_window", "qwen3", {0, 16}, 1e6, Type::yarn},
        Expected{"mixtral", "mixtral", {16, 16}, 1e6, Type::plain, false, Activation::silu, {4, 4}, 2},
        Expected{"qwen3_moe", "qwen3_moe", {0, 0}, 1e6, Type::plain, false, Activation::silu, {6, 0}, 2},
        Expected{"qwen3_moe_fused", "qwen3_moe", {0, 0}, 1e6, Type::plain, false, Activation::silu, {6, 0}, 2},
        Expected{"qwen3_moe_nonorm", "qwen3_moe", {0, 0}, 1e6, Type::plain, false, Activation::silu, {0, 4}, 2, false}),
    [](const auto& info) { return info.param.fixture; });

TEST(StackedExperts, HaveTheNamesOfThePlainModel) {
  ASSAY_REQUIRE_FIXTURES();
  const ModelSpec model = read_model_spec(Checkpoint::open(fixtures() / "architectures" / "qwen3_moe_fused"));
  const MlpSpec& expert = std::get<MoeSpec>(model.layers.at(0).mlp).experts.at(3);
  EXPECT_EQ(expert.gate->dense_name, "model.layers.0.mlp.experts.3.gate_proj.weight");
  EXPECT_EQ(expert.gate->module, "model.layers.0.mlp.experts.gate_up_proj");
  EXPECT_EQ(expert.gate->first_row, 3 * 64);
  EXPECT_EQ(expert.up.first_row, 3 * 64 + 32);
  EXPECT_EQ(expert.up.stored_rows, 6 * 64);
  EXPECT_EQ(expert.down.dense_name, "model.layers.0.mlp.experts.3.down_proj.weight");
  EXPECT_EQ(expert.down.first_row, 3 * 64);
  EXPECT_EQ(expert.down.in, 32);
}

TEST(Architectures, AreListedOnce) {
  std::vector<std::string> names = architectures();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace assay

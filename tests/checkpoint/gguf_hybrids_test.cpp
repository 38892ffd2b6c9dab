#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"
#include "support/errors.h"
#include "support/gguf_writer.h"
#include "support/support.h"

// What the converter does to hybrids and state spaces, undone; their logits are compared in tests/forward.
namespace assay {
namespace {

using test::error_of;
using test::expect_contains;
using test::GgufWriter;

class GgufHybridModel : public testing::Test {
 protected:
  /// A model with an embedding [6, 8] and `layers` layers without anything in them.
  GgufWriter model(const std::string& architecture, uint32_t layers, uint32_t heads = 2) {
    GgufWriter writer;
    architecture_ = architecture;
    writer.add("general.architecture", architecture);
    add(writer, "block_count", layers);
    add(writer, "embedding_length", uint32_t{8});
    add(writer, "attention.head_count", heads);
    writer.tensor("token_embd.weight", {6, 8}, std::vector<float>(48));
    for (uint32_t i = 0; i < layers; ++i) matrix(writer, "blk." + std::to_string(i) + ".ffn_up.weight", {4, 8});
    return writer;
  }
  template <class T>
  void add(GgufWriter& writer, const std::string& key, T value) {
    writer.add(architecture_ + "." + key, value);
  }
  static void matrix(GgufWriter& writer, const std::string& name, const std::vector<uint64_t>& shape) {
    uint64_t elements = 1;
    for (const uint64_t size : shape) elements *= size;
    writer.tensor(name, shape, std::vector<float>(elements));
  }
  void add_states(GgufWriter& writer, uint32_t inner, uint32_t rank, uint32_t groups) {
    add(writer, "ssm.conv_kernel", uint32_t{3});
    add(writer, "ssm.state_size", uint32_t{1});
    add(writer, "ssm.inner_size", inner);
    add(writer, "ssm.time_step_rank", rank);
    add(writer, "ssm.group_count", groups);
  }
  Checkpoint open(const GgufWriter& writer) {
    writer.save(dir_ / "m.gguf");
    return Checkpoint::open(dir_ / "m.gguf");
  }
  std::string refusal(const GgufWriter& writer) {
    return error_of([&] { open(writer); });
  }

  test::TempDir dir_;
  std::string architecture_;
};

TEST_F(GgufHybridModel, ValueHeadsThatWereDealtOutAreBackWithTheirKeyHeads) {
  GgufWriter writer = model("qwen35", 1);
  add_states(writer, 8, 4, 2);  // 4 value heads of 2, 2 key heads of 1
  matrix(writer, "blk.0.attn_qkv.weight", {12, 8});
  matrix(writer, "blk.0.ssm_conv1d.weight", {12, 3});
  matrix(writer, "blk.0.attn_gate.weight", {8, 8});
  matrix(writer, "blk.0.ssm_alpha.weight", {4, 8});
  matrix(writer, "blk.0.ssm_a", {4});
  matrix(writer, "blk.0.ssm_dt.bias", {4});
  matrix(writer, "blk.0.ssm_out.weight", {8, 8});
  const Checkpoint checkpoint = open(writer);
  const auto order = [&](const char* name) {
    return *checkpoint.at(std::string("model.layers.0.linear_attn.") + name).row_order;
  };
  using Order = std::vector<int64_t>;
  EXPECT_EQ(order("in_proj_z.weight"), (Order{0, 1, 4, 5, 2, 3, 6, 7}));
  EXPECT_EQ(order("in_proj_qkv.weight"), (Order{0, 1, 2, 3, 4, 5, 8, 9, 6, 7, 10, 11}));
  EXPECT_EQ(order("conv1d.weight"), order("in_proj_qkv.weight"));
  EXPECT_EQ(checkpoint.at("model.layers.0.linear_attn.conv1d.weight").describe(), "F32 [12, 1, 3]");
  for (const char* name : {"in_proj_a.weight", "A", "dt_bias"}) EXPECT_EQ(order(name), (Order{0, 2, 1, 3})) << name;
  // Rows, then columns.
  EXPECT_EQ(order("out_proj.weight"), (Order{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 4, 5, 2, 3, 6, 7}));
  EXPECT_EQ(checkpoint.config()["layer_types"], Json::parse(R"(["linear_attention"])"));

  writer = model("qwen35", 1);
  add_states(writer, 8, 4, 2);
  matrix(writer, "blk.0.ssm_out.weight", {8, 6});
  expect_contains(refusal(writer), "blk.0.ssm_out.weight\": expected 4 value heads of 2, found F32 [8, 6]");
  writer = model("qwen35", 1);
  add_states(writer, 8, 4, 3);
  expect_contains(refusal(writer), "qwen35.ssm.time_step_rank\": expected a multiple of qwen35.ssm.group_count, 3");
  writer = model("qwen35", 1);
  add_states(writer, 9, 4, 2);
  expect_contains(refusal(writer), "qwen35.ssm.inner_size\": expected a multiple of");
}

TEST_F(GgufHybridModel, NormsOfGatedOutputsHoldTheirWeightsAsTheyAre) {
  GgufWriter writer = model("qwen3next", 1);
  add_states(writer, 8, 4, 2);
  matrix(writer, "blk.0.ssm_norm.weight", {2});
  matrix(writer, "blk.0.attn_norm.weight", {8});
  matrix(writer, "blk.0.attn_gate.weight", {8, 8});
  const Checkpoint checkpoint = open(writer);
  EXPECT_EQ(checkpoint.at("model.layers.0.linear_attn.norm.weight").addend, 0);
  EXPECT_EQ(checkpoint.at("model.layers.0.input_layernorm.weight").addend, -1);
  EXPECT_EQ(checkpoint.at("model.layers.0.linear_attn.in_proj_z.weight").row_order, nullptr);
}

TEST_F(GgufHybridModel, ListsSayWhichLayersHaveAttention) {
  GgufWriter writer = model("lfm2", 3);
  add(writer, "attention.head_count_kv", std::vector<int32_t>{0, 1, 0});
  add(writer, "shortconv.l_cache", uint32_t{3});
  matrix(writer, "blk.0.shortconv.conv.weight", {8, 3});
  const Json config = open(writer).config();
  EXPECT_EQ(config["num_key_value_heads"], 1);
  EXPECT_EQ(config["layer_types"], Json::parse(R"(["conv", "full_attention", "full_attention"])"));
  writer = model("lfm2", 3);
  add(writer, "attention.head_count_kv", std::vector<int32_t>{0, 1, 2});
  expect_contains(refusal(writer), "lfm2.attention.head_count_kv\": expected the same number for all layers that have");
  writer = model("lfm2", 3);
  add(writer, "attention.head_count_kv", std::vector<int32_t>{0, 1});
  expect_contains(refusal(writer), "a number, or one for each of 3 layers");
  writer = model("llama", 2);
  add(writer, "attention.head_count_kv", std::vector<int32_t>{0, 1});
  expect_contains(refusal(writer), "the same number for all layers");
}

TEST_F(GgufHybridModel, StateSpacesNeedNoHeads) {
  GgufWriter writer = model("mamba2", 1, 0);
  add_states(writer, 16, 4, 2);
  matrix(writer, "blk.0.ssm_norm.weight", {2, 8});
  matrix(writer, "blk.0.ssm_d", {4, 1});
  const Checkpoint checkpoint = open(writer);
  EXPECT_EQ(checkpoint.config()["head_dim"], 4);
  EXPECT_EQ(checkpoint.at("backbone.layers.0.mixer.norm.weight").describe(), "F32 [16]");
  EXPECT_EQ(checkpoint.at("backbone.layers.0.mixer.D").describe(), "F32 [4]");
  writer = model("mamba", 1, 0);
  add(writer, "ssm.dt_b_c_rms", true);
  expect_contains(refusal(writer), "mamba.ssm.dt_b_c_rms\": expected false");
}

TEST_F(GgufHybridModel, ANormWithoutItsSuffixIsOne) {
  GgufWriter writer = model("falcon-h1", 1);
  add_states(writer, 8, 4, 2);
  matrix(writer, "blk.0.ffn_norm", {8});
  EXPECT_NE(open(writer).find("model.layers.0.pre_ff_layernorm.weight"), nullptr);
  writer = model("granitehybrid", 1);
  add_states(writer, 8, 4, 2);
  add(writer, "attention.head_count_kv", uint32_t{1});
  matrix(writer, "blk.0.ffn_norm", {8});
  EXPECT_NE(open(writer).find("model.layers.0.post_attention_layernorm.weight"), nullptr);
}

TEST_F(GgufHybridModel, WhatGemma4CannotSayIsRefused) {
  const auto gemma = [&](std::vector<int32_t> widths, std::vector<float> divisors) {
    GgufWriter writer = model("gemma4", 2);
    add(writer, "attention.sliding_window_pattern", std::vector<bool>{true, false});
    add(writer, "attention.head_count_kv", uint32_t{1});
    add(writer, "attention.key_length", uint32_t{8});
    add(writer, "attention.key_length_swa", uint32_t{4});
    add(writer, "attention.shared_kv_layers", uint32_t{1});
    add(writer, "feed_forward_length", widths);
    writer.tensor("rope_freqs.weight", {divisors.size()}, divisors);
    return writer;
  };
  const Json config = open(gemma({16, 32}, {1, 1, 1e30f, 1e30f})).config();
  EXPECT_EQ(config["use_double_wide_mlp"], true);
  EXPECT_EQ(config["per_layer_config"]["1"], Json::parse(R"({"head_dim": 8, "num_key_value_heads": 1})"));
  EXPECT_EQ(config["rope_parameters"]["full_attention"],
            Json::parse(R"({"rope_type": "proportional", "rope_theta": 1e6, "partial_rotary_factor": 0.5})"));
  expect_contains(refusal(gemma({32, 16}, {1, 1e30f, 1e30f, 1e30f})), "gemma4.feed_forward_length");
  expect_contains(refusal(gemma({16, 16}, {1, 2, 1e30f, 1e30f})), "rope_freqs.weight: expected 1 for some of 4 pairs");
  expect_contains(refusal(gemma({16, 16}, {1, 1e30f})), "rope_freqs.weight");
}

}  // namespace
}  // namespace assay

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"
#include "support/errors.h"
#include "support/gguf_writer.h"
#include "support/support.h"

// GGUF files seen as the Hugging Face checkpoints that they were made from.
namespace assay {
namespace {

using test::error_of;
using test::expect_contains;
using test::GgufWriter;

constexpr uint32_t kF32 = 0;

/// The metadata of a model of 2 heads of 4, one of them for keys, with an embedding [6, 8].
GgufWriter model(const std::string& architecture, bool with_embedding = true, uint32_t kv_heads = 1) {
  GgufWriter writer;
  writer.add("general.architecture", architecture);
  const auto add = [&](const char* key, auto value) { writer.add(architecture + "." + key, value); };
  add("block_count", uint32_t{1});
  add("context_length", uint32_t{64});
  add("embedding_length", uint32_t{8});
  add("feed_forward_length", uint32_t{16});
  add("attention.head_count", uint32_t{2});
  add("attention.head_count_kv", kv_heads);
  add("attention.layer_norm_rms_epsilon", 1e-5f);
  if (with_embedding) writer.tensor("token_embd.weight", {6, 8}, std::vector<float>(48));
  return writer;
}

class GgufModel : public testing::Test {
 protected:
  Checkpoint open(const GgufWriter& writer) {
    writer.save(path_);
    return Checkpoint::open(path_);
  }
  test::TempDir dir_;
  std::filesystem::path path_ = dir_ / "m.gguf";
};

TEST_F(GgufModel, MetadataBecomesAConfig) {
  const Checkpoint checkpoint = open(model("llama").add("llama.rope.freq_base", 5e5f));
  const Json expected = Json::parse(R"({"model_type": "llama", "hidden_act": "silu", "vocab_size": 6, "hidden_size": 8,
      "num_hidden_layers": 1, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1,
      "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 5e5, "partial_rotary_factor": 1.0,
      "tie_word_embeddings": true})");
  EXPECT_EQ(checkpoint.config(), expected);
}

TEST_F(GgufModel, RowsOfQueriesAndKeysAreBackInTheirOrder) {
  GgufWriter writer = model("llama");
  writer.tensor("blk.0.attn_q.weight", kF32, {8, 8}, std::string(256, '\0'));
  writer.tensor("blk.0.attn_k.bias", {4}, {0, 1, 2, 3});
  writer.tensor("blk.0.attn_v.weight", kF32, {4, 8}, std::string(128, '\0'));
  const Checkpoint checkpoint = open(writer);
  const auto& q = checkpoint.at("model.layers.0.self_attn.q_proj.weight");
  ASSERT_NE(q.row_order, nullptr);
  EXPECT_EQ(*q.row_order, (std::vector<int64_t>{0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(*checkpoint.at("model.layers.0.self_attn.k_proj.bias").row_order, (std::vector<int64_t>{0, 2, 1, 3}));
  EXPECT_EQ(checkpoint.at("model.layers.0.self_attn.v_proj.weight").row_order, nullptr);
  writer = model("qwen3");
  writer.tensor("blk.0.attn_q.weight", kF32, {8, 8}, std::string(256, '\0'));
  EXPECT_EQ(open(writer).at("model.layers.0.self_attn.q_proj.weight").row_order, nullptr);
}

TEST_F(GgufModel, FusedProjectionsOfHeadsAreBackInTheirOrder) {
  GgufWriter writer = model("gptneox", true, 2);
  writer.tensor("blk.0.attn_qkv.bias", {12}, std::vector<float>(12));
  // Two heads of two: rows q0 q0 q1 q1 k0 k0 ... become q0 q0 k0 k0 v0 v0 q1 ...
  EXPECT_EQ(*open(writer).at("gpt_neox.layers.0.attention.query_key_value.bias").row_order,
            (std::vector<int64_t>{0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11}));
  // One key and value for both.
  writer = model("falcon").tensor("blk.0.attn_qkv.weight", kF32, {4, 8}, std::string(128, '\0'));
  EXPECT_EQ(*open(writer).at("transformer.h.0.self_attention.query_key_value.weight").row_order,
            (std::vector<int64_t>{0, 1, 2, 3}));
}

TEST_F(GgufModel, StacksOfExpertsFallApart) {
  GgufWriter writer = model("llama");
  writer.add("llama.expert_count", uint32_t{2}).add("llama.expert_used_count", uint32_t{1});
  writer.tensor("blk.0.ffn_down_exps.weight", kF32, {2, 8, 16}, std::string(1024, '\0'));
  writer.tensor("blk.0.ffn_gate_up_exps.weight", kF32, {2, 32, 8}, std::string(2048, '\0'));
  const Checkpoint checkpoint = open(writer);
  EXPECT_EQ(checkpoint.config()["model_type"], "mixtral");
  EXPECT_EQ(checkpoint.config()["num_local_experts"], 2);
  const std::string experts = "model.layers.0.block_sparse_moe.experts.";
  const auto& first = checkpoint.at(experts + "0.w2.weight");
  EXPECT_EQ(first.describe(), "F32 [8, 16]");
  EXPECT_EQ(first.bytes, 512u);
  EXPECT_EQ(checkpoint.at(experts + "1.w2.weight").offset, first.offset + 512);
  const auto& gate = checkpoint.at(experts + "1.w1.weight");
  EXPECT_EQ(gate.describe(), "F32 [16, 8]");
  EXPECT_EQ(gate.offset, checkpoint.at(experts + "0.w1.weight").offset + 1024);
  EXPECT_EQ(checkpoint.at(experts + "1.w3.weight").offset, gate.offset + 512);
}

TEST_F(GgufModel, AGateStoredAsAVectorIsAMatrixOfOneRow) {
  GgufWriter writer = model("qwen2moe");
  writer.tensor("blk.0.ffn_gate_inp_shexp.weight", {8}, std::vector<float>(8));
  EXPECT_EQ(open(writer).at("model.layers.0.mlp.shared_expert_gate.weight").describe(), "F32 [1, 8]");
}

TEST_F(GgufModel, ExpertsOfEarlyFilesStandAlone) {
  GgufWriter writer = model("llama");
  writer.add("llama.expert_count", uint32_t{2}).add("llama.expert_used_count", uint32_t{1});
  writer.tensor("blk.0.ffn_gate.1.weight", kF32, {16, 8}, std::string(512, '\0'));
  EXPECT_EQ(open(writer).at("model.layers.0.block_sparse_moe.experts.1.w1.weight").describe(), "F32 [16, 8]");
}

TEST_F(GgufModel, ScalingOfRopeIsReadFromWhereverItStands) {
  GgufWriter writer = model("llama");
  writer.add("llama.rope.scaling.type", "yarn").add("llama.rope.scaling.factor", 4.0f);
  writer.add("llama.rope.scaling.original_context_length", uint32_t{32});
  EXPECT_EQ(open(writer).config()["rope_scaling"],
            Json::parse(R"({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32})"));
  writer = model("llama").add("llama.rope.scaling.type", "linear").add("llama.rope.scaling.factor", 2.0f);
  EXPECT_EQ(open(writer).config()["rope_scaling"], Json::parse(R"({"rope_type": "linear", "factor": 2.0})"));
  writer = model("llama").tensor("rope_freqs.weight", {2}, {1, 8});
  EXPECT_EQ(open(writer).config()["rope_scaling"],
            Json::parse(R"({"rope_type": "longrope", "factor": 1.0, "attention_factor": 1.0,
                            "short_factor": [1.0, 8.0], "long_factor": [1.0, 8.0]})"));
  writer = model("llama").add("llama.rope.scaling.type", "bent");
  expect_contains(error_of([&] { open(writer); }), "none, linear, yarn or longrope, found");
}

TEST_F(GgufModel, YarnKeepsTheMagnitudesThatLlamaCppKnows) {
  GgufWriter writer = model("mistral3");
  writer.add("mistral3.rope.scaling.type", "yarn").add("mistral3.rope.scaling.factor", 4.0f);
  writer.add("mistral3.rope.scaling.yarn_log_multiplier", 0.5f);
  writer.add("mistral3.rope.scaling.yarn_attn_factor", 1.5f);
  EXPECT_EQ(open(writer).config()["rope_scaling"],
            Json::parse(R"({"rope_type": "yarn", "factor": 4.0, "mscale": 1.0, "mscale_all_dim": 0.5,
                            "attention_factor": 1.5})"));
}

TEST_F(GgufModel, LatentHeadsAreDescribedByNewAndOldFiles) {
  for (const bool split : {true, false}) {
    GgufWriter writer = model("deepseek2");
    const auto add = [&](const char* key, uint32_t value) {
      writer.add(std::string("deepseek2.attention.") + key, value);
    };
    writer.add("deepseek2.rope.dimension_count", uint32_t{2}).add("deepseek2.rope.scaling.type", "yarn");
    writer.add("deepseek2.rope.scaling.factor", 4.0f).add("deepseek2.rope.scaling.yarn_log_multiplier", 0.1f);
    add("kv_lora_rank", 4);
    add("key_length", split ? 6 : 5);
    add("value_length", split ? 4 : 7);
    if (split) {
      add("key_length_mla", 5);
      add("value_length_mla", 7);
      writer.tensor("blk.0.attn_k_b.weight", kF32, {2, 4, 3}, std::string(96, '\0'));
      writer.tensor("blk.0.attn_v_b.weight", kF32, {2, 7, 4}, std::string(224, '\0'));
    } else {
      writer.tensor("blk.0.attn_kv_b.weight", kF32, {20, 4}, std::string(320, '\0'));
    }
    const Checkpoint checkpoint = open(writer);
    const Json& config = checkpoint.config();
    EXPECT_EQ(config["qk_rope_head_dim"], 2);
    EXPECT_EQ(config["qk_nope_head_dim"], 3);
    EXPECT_EQ(config["v_head_dim"], 7);
    EXPECT_EQ(config["kv_lora_rank"], 4);
    EXPECT_EQ(config["rope_scaling"]["mscale_all_dim"], 1.0);
    const std::string attention = "model.layers.0.self_attn.";
    if (split) {
      EXPECT_EQ(checkpoint.at(attention + "k_b_proj.weight").describe(), "F32 [8, 3]");
      EXPECT_EQ(checkpoint.at(attention + "v_b_proj.weight").describe(), "F32 [14, 4]");
    } else {
      EXPECT_EQ(checkpoint.at(attention + "kv_b_proj.weight").describe(), "F32 [20, 4]");
    }
  }
}

TEST_F(GgufModel, FusedProjectionsFallApartWhereTheModelHasThreeOfThem) {
  GgufWriter writer = model("chatglm");
  writer.tensor("blk.0.attn_qkv.bias", {16}, std::vector<float>(16));
  const Checkpoint checkpoint = open(writer);
  const auto& q = checkpoint.at("model.layers.0.self_attn.q_proj.bias");
  EXPECT_EQ(q.describe(), "F32 [8]");
  EXPECT_EQ(checkpoint.at("model.layers.0.self_attn.k_proj.bias").offset, q.offset + 32);
  EXPECT_EQ(checkpoint.at("model.layers.0.self_attn.v_proj.bias").offset, q.offset + 48);
  EXPECT_EQ(checkpoint.at("model.layers.0.self_attn.v_proj.bias").describe(), "F32 [4]");
}

TEST_F(GgufModel, NumbersOfTheMetadataBecomeTensors) {
  GgufWriter writer = model("apertus");
  for (const char* name : {"alpha_n", "alpha_p", "beta", "eps"}) {
    writer.add(std::string("xielu.") + name, std::vector<float>{0.25f});
  }
  const Checkpoint checkpoint = open(writer);
  const auto& beta = checkpoint.at("model.layers.0.mlp.act_fn.beta");
  const std::vector<std::byte> bytes = checkpoint.read(beta);
  float value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  EXPECT_EQ(value, 0.25f);
  writer = model("apertus").add("xielu.alpha_n", std::vector<float>{1, 2});
  expect_contains(error_of([&] { open(writer); }), "1 float32 numbers, one for each layer");
}

TEST_F(GgufModel, AKeyThatChangesTheMathsAndIsNotAppliedIsRefused) {
  const auto refusal = [&](const GgufWriter& writer) { return error_of([&] { open(writer); }); };
  expect_contains(refusal(model("llama").add("llama.attention.scale", 0.5f)), "llama.attention.scale");
  expect_contains(refusal(model("qwen3").add("qwen3.residual_scale", 0.5f)), "assay does not apply it");
  expect_contains(refusal(model("llama").add("llama.attention.causal", false)), "llama.attention.causal");
  expect_contains(refusal(model("llama4").add("llama4.expert_gating_func", uint32_t{1})), "llama4.expert_gating_func");
  EXPECT_NO_THROW(open(model("qwen3").add("qwen3.residual_scale", 1.0f).add("qwen3.attention.sliding_window", 0u)));
  const Checkpoint phi = open(model("phi3").add("phi3.attention.sliding_window", 2047u));
  ASSERT_EQ(phi.notes().size(), 1u);
  expect_contains(phi.notes()[0], "phi3.attention.sliding_window is ignored");
}

TEST_F(GgufModel, NormsThatHoldOneMoreSayItAndTensorsOfNoUseKeepTheirNames) {
  GgufWriter writer = model("gemma");
  writer.tensor("output_norm.weight", {8}, std::vector<float>(8)).tensor("strange.weight", {1}, {0});
  const Checkpoint checkpoint = open(writer);
  EXPECT_EQ(checkpoint.at("model.norm.weight").addend, -1);
  EXPECT_EQ(checkpoint.at("model.embed_tokens.weight").addend, 0);
  EXPECT_NE(checkpoint.find("strange.weight"), nullptr);
}

TEST_F(GgufModel, AnUnknownArchitectureKeepsItsNames) {
  const Checkpoint checkpoint = open(model("warbler"));
  EXPECT_EQ(checkpoint.config(), Json::parse(R"({"model_type": "warbler"})"));
  EXPECT_NE(checkpoint.find("token_embd.weight"), nullptr);
}

TEST_F(GgufModel, AVocabularyWithoutAModelOpens) {
  const Checkpoint checkpoint = open(model("llama", false));
  EXPECT_TRUE(checkpoint.tensors().empty());
  EXPECT_TRUE(checkpoint.config().empty());
}

TEST_F(GgufModel, WhatDoesNotFitIsRefusedNamingTheKeyOrTensor) {
  const auto refusal = [&](const GgufWriter& writer) { return error_of([&] { open(writer); }); };
  expect_contains(refusal(GgufWriter().add("general.architecture", "llama").tensor("token_embd.weight", {6, 8}, {})),
                  "token_embd.weight");
  GgufWriter writer = model("llama", false).tensor("output_norm.weight", {8}, std::vector<float>(8));
  expect_contains(refusal(writer), "tensor token_embd.weight is missing");
  writer = model("llama");
  writer.tensor("blk.0.attn_q.weight", {3}, {1, 2, 3});
  expect_contains(refusal(writer), "expected rows for 4 heads, found F32 [3]");
  expect_contains(refusal(model("llama").add("llama.attention.value_length", uint32_t{2})), "4, as keys have");
  expect_contains(refusal(model("llama").add("llama.rope.dimension_count", uint32_t{6})), "1 to 4");
  writer = model("llama").tensor("blk.0.ffn_gate.0.weight", {1}, {0}).tensor("blk.0.ffn_gate_exps.weight", {1, 1}, {0});
  expect_contains(refusal(writer), "two tensors stand for");
  writer = GgufWriter();
  writer.add("general.architecture", "llama")
      .add("llama.embedding_length", "8")
      .tensor("token_embd.weight", {1, 1}, {0});
  expect_contains(refusal(writer), "llama.embedding_length\": expected an integer, found");
}

}  // namespace
}  // namespace assay

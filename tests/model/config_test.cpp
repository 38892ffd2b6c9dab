#include "model/config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tiny_checkpoint.h"

namespace assay {
namespace {

using test::tiny_llama;
using test::TinyModel;

ModelSpec read(const TinyModel& model) {
  const test::TempDir folder;
  return read_model_spec(model.write(folder));
}

ModelSpec read_with(const Json& keys) {
  TinyModel model = tiny_llama();
  model.config.update(keys);
  return read(model);
}

std::string refusal_of(const TinyModel& model) {
  try {
    read(model);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string refusal_with(const Json& keys) {
  TinyModel model = tiny_llama();
  model.config.update(keys);
  return refusal_of(model);
}

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << "the message is: " << (message)

TEST(Config, DefaultsAreThoseOfLlama) {
  TinyModel model = tiny_llama();
  for (const char* key : {"rms_norm_eps", "head_dim", "num_key_value_heads"}) model.config.erase(key);
  for (const std::string layer : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    for (const char* part : {"q_proj", "k_proj", "v_proj", "o_proj"})
      model.tensors[layer + part + ".weight"] = {16, 16};
  }
  const ModelSpec spec = read(model);
  EXPECT_EQ(spec.layers[0].attention().head_dim, 4);
  EXPECT_EQ(spec.layers[0].attention().kv_heads, 4);
  EXPECT_EQ(spec.final_norm.eps, 1e-6);
  EXPECT_EQ(spec.layers[0].attention().q.bias, "");
  EXPECT_FALSE(spec.tied);
  EXPECT_EQ(std::get<MlpSpec>(spec.layers[0].mlp).activation, Activation::silu);

  model.config["head_dim"] = nullptr;
  EXPECT_EQ(read(model).layers[0].attention().head_dim, 4);
}

TEST(Config, Qwen3HeadsHave128ComponentsByDefault) {
  TinyModel model = tiny_llama();
  model.config["model_type"] = "qwen3";
  model.config.erase("head_dim");
  for (const std::string layer : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    model.tensors[layer + "q_norm.weight"] = model.tensors[layer + "k_norm.weight"] = {128};
  }
  EXPECT_EQ(read(model).layers[0].attention().q.out, 4 * 128);
}

TEST(Config, ActivationsHaveSeveralNames) {
  const auto activation = [](const char* name) {
    return std::get<MlpSpec>(read_with({{"hidden_act", name}}).layers[0].mlp).activation;
  };
  EXPECT_EQ(activation("gelu"), Activation::gelu);
  for (const char* name : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"}) {
    EXPECT_EQ(activation(name), Activation::gelu_tanh);
  }
  EXPECT_EQ(activation("relu2"), Activation::relu2);
  EXPECT_SAYS(refusal_with({{"hidden_act", "xielu"}}), "\"hidden_act\"");
}

TEST(Config, NamesMayStandUnderOtherPrefixes) {
  for (const std::string prefix : {"", "language_model.model.", "model.language_model."}) {
    TinyModel model = tiny_llama();
    model.tensors.clear();
    for (const auto& [name, shape] : tiny_llama().tensors) {
      model.tensors[name.starts_with("model.") ? prefix + name.substr(6) : name] = shape;
    }
    const ModelSpec spec = read(model);
    EXPECT_EQ(spec.layers[1].attention().q.module, prefix + "layers.1.self_attn.q_proj");
    EXPECT_EQ(spec.layers[1].attention().q.dense_name, "model.layers.1.self_attn.q_proj.weight");
    EXPECT_EQ(spec.embedding, prefix + "embed_tokens");
    EXPECT_EQ(spec.embedding_dense_name, "model.embed_tokens.weight");
    EXPECT_EQ(spec.head.module, "lm_head");
  }
}

TEST(Config, AWrappersOwnTieCounts) {
  TinyModel model = tiny_llama();
  Json text = model.config;
  text["tie_word_embeddings"] = true;
  model.config = {{"model_type", "mistral3"}, {"text_config", text}, {"tie_word_embeddings", false}};
  EXPECT_FALSE(read(model).tied);
  model.config.erase("tie_word_embeddings");
  EXPECT_TRUE(read(model).tied);
}

TEST(Config, ATiedHeadIsTheEmbedding) {
  TinyModel model = tiny_llama();
  model.config["tie_word_embeddings"] = true;
  EXPECT_EQ(read(model).head.module, "model.embed_tokens") << "a stored plain lm_head is ignored, as the library does";
  model.tensors.erase("lm_head.weight");
  const ModelSpec spec = read(model);
  EXPECT_TRUE(spec.tied);
  EXPECT_EQ(spec.head.module, "model.embed_tokens");
  model.config["tie_word_embeddings"] = false;
  EXPECT_SAYS(refusal_of(model), "\"lm_head\"");
}

TEST(Config, AHeadThatWasQuantizedAloneIsAHead) {
  TinyModel model = tiny_llama();
  model.config["tie_word_embeddings"] = true;
  model.tensors.erase("lm_head.weight");
  model.tensors["lm_head.weight_packed"] = {32, 4};
  const ModelSpec spec = read(model);
  EXPECT_FALSE(spec.tied);
  EXPECT_EQ(spec.head.module, "lm_head");
}

TEST(Config, BiasesFollowTheirKeys) {
  TinyModel model = tiny_llama();
  model.config["attention_bias"] = true;
  EXPECT_SAYS(refusal_of(model), "q_proj.bias");
  for (const std::string layer : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    model.tensors[layer + "q_proj.bias"] = {32};
    model.tensors[layer + "k_proj.bias"] = model.tensors[layer + "v_proj.bias"] = {16};
    model.tensors[layer + "o_proj.bias"] = {16};
  }
  EXPECT_EQ(read(model).layers[1].attention().o.bias, "model.layers.1.self_attn.o_proj.bias");
  model.config["attention_bias"] = false;
  EXPECT_EQ(read(model).layers[1].attention().o.bias, "");

  model.config["model_type"] = "qwen2";
  const ModelSpec qwen2 = read(model);
  EXPECT_EQ(qwen2.layers[1].attention().v.bias, "model.layers.1.self_attn.v_proj.bias");
  EXPECT_EQ(qwen2.layers[1].attention().o.bias, "");
}

TEST(Windows, OfQwenBeginAtALayerAndOnlyWhenUsed) {
  TinyModel model = tiny_llama();
  model.config.update({{"model_type", "qwen3"}, {"sliding_window", 16}, {"max_window_layers", 1}});
  for (const std::string layer : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    model.tensors[layer + "q_norm.weight"] = model.tensors[layer + "k_norm.weight"] = {8};
  }
  const auto windows = [&] {
    const ModelSpec spec = read(model);
    return std::vector{spec.layers[0].attention().window, spec.layers[1].attention().window};
  };
  EXPECT_EQ(windows(), (std::vector<int64_t>{0, 0}));
  model.config["use_sliding_window"] = true;
  EXPECT_EQ(windows(), (std::vector<int64_t>{0, 16}));
  model.config["layer_types"] = {"sliding_attention", "full_attention"};
  EXPECT_EQ(windows(), (std::vector<int64_t>{16, 0}));
  model.config["use_sliding_window"] = false;
  EXPECT_SAYS(refusal_of(model), "\"sliding_window\"");
  model.config["layer_types"] = {"full_attention", "full_attention"};
  EXPECT_EQ(windows(), (std::vector<int64_t>{0, 0}));
}

TEST(Windows, LayerTypesMustFit) {
  TinyModel model = tiny_llama();
  model.config.update({{"model_type", "mistral"}, {"sliding_window", 4}, {"layer_types", {"full_attention"}}});
  EXPECT_SAYS(refusal_of(model), "\"layer_types\"");
  model.config["layer_types"] = {"full_attention", "chunked_attention"};
  EXPECT_SAYS(refusal_of(model), "chunked_attention");
}

TEST(Keys, UnknownOnesAreReported) {
  const ModelSpec spec = read_with({{"my_key", 1}, {"use_cache", true}, {"torch_dtype", "bfloat16"}});
  ASSERT_EQ(spec.notes.size(), 1u);
  EXPECT_SAYS(spec.notes[0], "\"my_key\"");
}

TEST(Keys, ThatChangeTheMathsAreRefused) {
  EXPECT_SAYS(refusal_with({{"attn_logit_softcapping", 50.0}}), "\"attn_logit_softcapping\"");
  EXPECT_SAYS(refusal_with({{"logits_scaling", 8}}), "\"logits_scaling\"");
  EXPECT_SAYS(refusal_with({{"sliding_window", 4096}}), "\"sliding_window\"");
  EXPECT_SAYS(refusal_with({{"num_local_experts", 8}}), "\"num_local_experts\"");
  EXPECT_SAYS(refusal_with({{"no_rope_layers", {1, 0}}}), "\"no_rope_layers\"");
  EXPECT_SAYS(refusal_with({{"layer_types", {"full_attention", "sliding_attention"}}}), "\"layer_types\"");
  EXPECT_SAYS(refusal_with({{"position_embedding_type", "nope"}}), "\"position_embedding_type\"");
}

TEST(Keys, ThatWouldChangeTheMathsMayBeNeutral) {
  const Json neutral = {{"attn_logit_softcapping", nullptr},
                        {"logits_scaling", 1.0},
                        {"sliding_window", nullptr},
                        {"use_sliding_window", false},
                        {"num_local_experts", 0},
                        {"no_rope_layers", Json::array()},
                        {"layer_types", {"full_attention", "full_attention"}},
                        {"position_embedding_type", "rope"}};
  EXPECT_EQ(read_with(neutral).notes, std::vector<std::string>{});
}

TEST(HostileConfig, UnknownArchitecturesAreNamed) {
  EXPECT_SAYS(refusal_with({{"model_type", "lama"}}), "the nearest is llama");
  EXPECT_SAYS(refusal_with({{"model_type", "rwkv"}}), "qwen3_moe");
  EXPECT_SAYS(refusal_with({{"model_type", nullptr}}), "\"model_type\"");
  EXPECT_SAYS(refusal_with({{"model_type", 7}}), "\"model_type\"");
  TinyModel model = tiny_llama();
  model.config = Json::object();
  EXPECT_SAYS(refusal_of(model), "config.json");
}

TEST(HostileConfig, SizesAreChecked) {
  for (const char* key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "head_dim", "max_position_embeddings"}) {
    for (const Json& bad :
         {Json(0), Json(-1), Json(1.5), Json("8"), Json(int64_t{1} << 40), Json(UINT64_MAX), Json(1e300)}) {
      EXPECT_SAYS(refusal_with({{key, bad}}), fmt::format("\"{}\"", key)) << bad;
    }
  }
  for (const char* key :
       {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"}) {
    EXPECT_SAYS(refusal_with({{key, nullptr}}), fmt::format("\"{}\"", key));
  }
  EXPECT_SAYS(refusal_with({{"num_key_value_heads", 3}}), "\"num_key_value_heads\"");
  EXPECT_SAYS(refusal_with({{"head_dim", 1 << 29}}), "\"num_attention_heads\"");
  EXPECT_SAYS(refusal_with({{"head_dim", nullptr}, {"num_attention_heads", 6}}), "\"num_");
  EXPECT_SAYS(refusal_with({{"rms_norm_eps", -1}}), "\"rms_norm_eps\"");
  EXPECT_SAYS(refusal_with({{"tie_word_embeddings", "no"}}), "\"tie_word_embeddings\"");
}

TEST(HostileConfig, MoreLayersThanStoredAreMissingTensors) {
  EXPECT_SAYS(refusal_with({{"num_hidden_layers", 3}}), "\"model.layers.2.mlp.gate_proj\"");
  EXPECT_SAYS(refusal_with({{"num_hidden_layers", 1000000}}), "\"num_hidden_layers\"");
}

TEST(HostileConfig, MissingModulesAreNamedWithTheNearest) {
  TinyModel model = tiny_llama();
  for (const std::string layer : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    model.tensors.erase(layer + "k_proj.weight");
    model.tensors[layer + "k_prj.weight"] = {16, 16};
  }
  EXPECT_SAYS(refusal_of(model), "\"model.layers.0.self_attn.k_proj\"");
  EXPECT_SAYS(refusal_of(model), "nearest module is \"model.layers.0.self_attn.k_prj\"");
  model.tensors.clear();
  model.tensors["wte.weight"] = {32, 16};
  EXPECT_SAYS(refusal_of(model), "embed_tokens");
}

TEST(HostileConfig, NormsHaveTheirSize) {
  TinyModel model = tiny_llama();
  model.tensors["model.layers.1.input_layernorm.weight"] = {15};
  EXPECT_SAYS(refusal_of(model), "model.layers.1.input_layernorm.weight");
  model.tensors["model.layers.1.input_layernorm.weight"] = {1, 16};
  EXPECT_SAYS(refusal_of(model), "[16]");
}

TinyModel tiny_moe() {
  TinyModel model = tiny_llama();
  model.config.update({{"model_type", "qwen3_moe"},
                       {"num_experts", 2},
                       {"num_experts_per_tok", 1},
                       {"moe_intermediate_size", 8},
                       {"norm_topk_prob", true},
                       {"mlp_only_layers", {0}}});
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    model.tensors[layer + "self_attn.q_norm.weight"] = model.tensors[layer + "self_attn.k_norm.weight"] = {8};
  }
  model.tensors["model.layers.1.mlp.gate.weight"] = {2, 16};
  model.tensors["model.layers.1.mlp.experts.gate_up_proj"] = {2, 16, 16};
  model.tensors["model.layers.1.mlp.experts.down_proj"] = {2, 16, 8};
  return model;
}

TEST(HostileConfig, ExpertsAreBounded) {
  EXPECT_EQ(std::get<MoeSpec>(read(tiny_moe()).layers[1].mlp).experts.size(), 2u);
  const auto refusal = [](const Json& keys) {
    TinyModel model = tiny_moe();
    model.config.update(keys);
    return refusal_of(model);
  };
  EXPECT_SAYS(refusal({{"num_experts", 1 << 20}}), "\"num_experts\"");
  EXPECT_SAYS(refusal({{"num_experts", 3}}), "gate_up_proj");
  EXPECT_SAYS(refusal({{"num_experts_per_tok", 3}}), "\"num_experts_per_tok\"");
  EXPECT_SAYS(refusal({{"num_experts_per_tok", 0}}), "\"num_experts_per_tok\"");
  EXPECT_SAYS(refusal({{"moe_intermediate_size", 4}}), "gate_up_proj");
  EXPECT_SAYS(refusal({{"mlp_only_layers", Json::array()}}), "\"model.layers.0.mlp.gate\"");
  EXPECT_SAYS(refusal({{"mlp_only_layers", "0"}}), "\"mlp_only_layers\"");
  EXPECT_SAYS(refusal({{"use_sliding_window", true}}), "\"use_sliding_window\"");
  EXPECT_SAYS(refusal({{"decoder_sparse_step", 0}}), "\"decoder_sparse_step\"");
}

ModelSpec read_assuming_llama(const TinyModel& model) {
  const test::TempDir folder;
  return read_model_spec(model.write(folder), "llama");
}

TEST(UnknownType, IsOfferedAsLlamaAndRunAsSuchOnlyWithAWarning) {
  TinyModel model = tiny_llama();
  model.config["model_type"] = "newfangled";
  EXPECT_SAYS(refusal_of(model), "--assume llama");
  const ModelSpec spec = read_assuming_llama(model);
  EXPECT_EQ(spec.architecture, "llama");
  ASSERT_EQ(spec.notes.size(), 1u);
  EXPECT_SAYS(spec.notes[0], "WARNING");
  EXPECT_SAYS(spec.notes[0], "newfangled");
}

TEST(UnknownType, IsNotTakenForLlamaWhereKeysOrTensorsSpeakAgainstIt) {
  TinyModel model = tiny_llama();
  model.config["model_type"] = "newfangled";
  const auto refused = [&](const char* because) {
    EXPECT_EQ(refusal_of(model).find("--assume"), std::string::npos) << "must not be offered";
    try {
      read_assuming_llama(model);
      ADD_FAILURE() << "taken for Llama";
    } catch (const Error& error) {
      EXPECT_SAYS(std::string(error.what()), because);
    }
  };
  const TinyModel plain = model;
  model.config["my_key"] = 1;
  refused("my_key");
  model = plain;
  model.config["logit_scale"] = 2;
  refused("logit_scale");
  for (const char* tensor :
       {"layers.0.self_attn.q_norm.weight", "layers.1.self_attn.v_proj.bias", "embed_norm.weight"}) {
    model = plain;
    model.tensors[std::string("model.") + tensor] = {16};
    refused(tensor);
  }
}

TEST(UnknownType, DoesNotChangeKnownOnes) {
  TinyModel model = tiny_llama();
  model.config["model_type"] = "mistral";
  EXPECT_EQ(read_assuming_llama(model).architecture, "mistral");
}

TEST(Config, Gemma3LeavesOutWhatIsUsual) {
  TinyModel model = tiny_llama();
  model.config["model_type"] = "gemma3_text";
  for (const char* key : {"vocab_size", "num_attention_heads", "num_key_value_heads", "head_dim"})
    model.config.erase(key);
  const std::string message = refusal_of(model);
  EXPECT_SAYS(message, "self_attn.q_norm.weight") << "8 heads of 256, as no key says otherwise";
}

TEST(Config, FactorsMayBeNull) {
  TinyModel model = tiny_llama();
  model.config.update({{"model_type", "gemma2"}, {"attn_logit_softcapping", nullptr}, {"num_key_value_heads", 2}});
  for (const std::string layer : {"model.layers.0.", "model.layers.1."})
    for (const char* norm : {"pre_feedforward_layernorm", "post_feedforward_layernorm"})
      model.tensors[layer + norm + ".weight"] = {16};
  const ModelSpec spec = read(model);
  EXPECT_EQ(spec.layers[0].attention().softcap, 0) << "null is none";
  EXPECT_EQ(spec.logit_softcap, 30) << "absent is the default";
  EXPECT_EQ(spec.layers[0].attention().window, 4096);
  EXPECT_EQ(spec.layers[1].attention().window, 0);
  EXPECT_TRUE(spec.tied);
}

TEST(Config, TheBiasOfATiedHeadIsItsOwn) {
  TinyModel model;
  model.config = {{"model_type", "phi"},           {"vocab_size", 32},           {"hidden_size", 16},
                  {"intermediate_size", 24},       {"num_hidden_layers", 1},     {"num_attention_heads", 2},
                  {"max_position_embeddings", 64}, {"tie_word_embeddings", true}};
  model.tensors = {{"model.embed_tokens.weight", {32, 16}}, {"lm_head.bias", {32}}};
  const auto add = [&](const std::string& module, int64_t out, int64_t in) {
    model.tensors[module + ".weight"] = in > 0 ? std::vector<int64_t>{out, in} : std::vector<int64_t>{out};
    model.tensors[module + ".bias"] = {out};
  };
  add("model.final_layernorm", 16, 0);
  add("model.layers.0.input_layernorm", 16, 0);
  for (const char* part : {"q_proj", "k_proj", "v_proj", "dense"})
    add(std::string("model.layers.0.self_attn.") + part, 16, 16);
  add("model.layers.0.mlp.fc1", 24, 16);
  add("model.layers.0.mlp.fc2", 16, 24);
  const ModelSpec spec = read(model);
  EXPECT_TRUE(spec.tied);
  EXPECT_EQ(spec.head.module, "model.embed_tokens");
  EXPECT_EQ(spec.head.bias, "lm_head.bias");
}

TEST(Config, MistralHasAWindowUnlessItSaysNone) {
  TinyModel model = tiny_llama();
  model.config["model_type"] = "mistral";
  EXPECT_EQ(read(model).layers[0].attention().window, 4096);
  model.config["sliding_window"] = nullptr;
  EXPECT_EQ(read(model).layers[0].attention().window, 0);
}

}  // namespace
}  // namespace assay

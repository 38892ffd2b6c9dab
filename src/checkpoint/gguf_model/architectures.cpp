#include <nlohmann/json.hpp>

#include "checkpoint/gguf_model/model.h"

namespace assay::gguf {

namespace {

/// Mixtral is called llama as well; so are models of Llama's maths with biases on q, k and v alone.
void finish_llama(Config& config) {
  if (config.has("expert_count") && config.integer("expert_count") > 0) {
    config.json["model_type"] = "mixtral";
    config.copy("expert_count", "num_local_experts");
    config.copy("expert_used_count", "num_experts_per_tok");
  } else if (config.stores("blk.0.attn_q.bias") && !config.stores("blk.0.attn_output.bias")) {
    config.json["model_type"] = "qwen2";
  }
}
constexpr Name kMixtral[] = {
    {"ffn_gate_inp", "block_sparse_moe.gate"},
    {"ffn_gate_exps", "block_sparse_moe.experts.{}.w1", Rows::each_expert},
    {"ffn_down_exps", "block_sparse_moe.experts.{}.w2", Rows::each_expert},
    {"ffn_up_exps", "block_sparse_moe.experts.{}.w3", Rows::each_expert},
};

void finish_qwen3_moe(Config& config) {
  config.copy("expert_count", "num_experts");
  config.copy("expert_used_count", "num_experts_per_tok");
  config.copy("expert_feed_forward_length", "moe_intermediate_size");
  config.json["norm_topk_prob"] = true;
}
void finish_qwen2_moe(Config& config) {
  finish_qwen3_moe(config);
  config.json["norm_topk_prob"] = false;
  config.json.erase("attention_bias");
  config.copy("expert_shared_feed_forward_length", "shared_expert_intermediate_size");
}

void finish_gpt_oss(Config& config) {
  config.copy("expert_count", "num_local_experts");
  config.copy("expert_used_count", "num_experts_per_tok");
  config.copy("expert_feed_forward_length", "intermediate_size");
  config.copy("attention.sliding_window", "sliding_window");
}
constexpr Name kGptOss[] = {
    {"post_attention_norm", "post_attention_layernorm"},
    {"ffn_gate_inp", "mlp.router"},
};

/// Scores are scaled by the size of a head; two of the published sizes have it another way.
void scale_scores(Config& config, int64_t layers_of_odd_one) {
  const int64_t heads = config.json["num_attention_heads"];
  const bool odd = config.json["num_hidden_layers"] == layers_of_odd_one;
  config.json["query_pre_attn_scalar"] = odd ? config.json["hidden_size"].get<int64_t>() / heads : config.head_dim();
}
/// Of every `period` layers all but the last see a window.
void window_all_but_every(Config& config, int64_t period) {
  config.copy("attention.sliding_window", "sliding_window");
  Json types = Json::array();
  for (int64_t i = 0, layers = config.layers(); i < layers; ++i) {
    types.push_back(i % period < period - 1 ? "sliding_attention" : "full_attention");
  }
  config.json["layer_types"] = std::move(types);
}

/// The same, unless the file marks the layers.
void window_by_pattern(Config& config, int64_t period) {
  window_all_but_every(config, period);
  const std::vector<bool> marks = config.metadata.booleans(config.key("attention.sliding_window_pattern"));
  Json& types = config.json["layer_types"];
  if (marks.empty()) return;
  if (marks.size() != types.size()) {
    config.metadata.refuse(config.key("attention.sliding_window_pattern"), "a mark for each layer");
  }
  for (size_t i = 0; i < marks.size(); ++i) types[i] = marks[i] ? "sliding_attention" : "full_attention";
}

void finish_gemma2(Config& config) {
  config.rename("hidden_act", "hidden_activation");
  config.copy("attn_logit_softcapping", "attn_logit_softcapping");
  config.copy("final_logit_softcapping", "final_logit_softcapping");
  scale_scores(config, 46);
  window_all_but_every(config, 2);
}
void finish_gemma3(Config& config) {
  config.rename("hidden_act", "hidden_activation");
  config.copy("final_logit_softcapping", "final_logit_softcapping");
  scale_scores(config, 62);
  window_all_but_every(config, 6);
  config.json["rope_local_base_freq"] = 10000.0;
  config.copy("rope.freq_base_swa", "rope_local_base_freq");
}
constexpr Name kGemma2[] = {
    {"post_attention_norm", "post_attention_layernorm"},
    {"ffn_norm", "pre_feedforward_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
};

void finish_cohere(Config& config) {
  config.copy("logit_scale", "logit_scale");
  config.json["use_qk_norm"] = config.stores("blk.0.attn_q_norm.weight");
}
void finish_cohere2(Config& config) {
  config.copy("logit_scale", "logit_scale");
  window_all_but_every(config, 4);
}

void finish_ernie4_5(Config& config) {
  config.json["use_bias"] = config.stores("blk.0.attn_q.bias");
  for (const char* key : {"attention_bias", "mlp_bias"}) config.json.erase(key);
}

/// Only the larger one has windows.
void finish_exaone4(Config& config) {
  if (config.has("attention.sliding_window")) window_by_pattern(config, 4);
}

void finish_falcon(Config& config) {
  const int64_t kv_heads = config.json["num_key_value_heads"], heads = config.json["num_attention_heads"];
  const bool two_norms = config.stores("blk.0.attn_norm_2.weight");
  const bool groups = two_norms || (kv_heads > 1 && kv_heads < heads);
  config.json["new_decoder_architecture"] = groups;
  if (groups) config.json["num_ln_in_parallel_attn"] = two_norms ? 2 : 1;
  config.json["multi_query"] = kv_heads == 1;
  config.json["num_kv_heads"] = kv_heads;
}
constexpr const char* kKvHeads[] = {"num_key_value_heads"};
constexpr Name kFalcon[] = {
    {"token_embd", "transformer.word_embeddings"},
    {"output_norm", "transformer.ln_f"},
    {"attn_qkv", "self_attention.query_key_value", Rows::by_part},
    {"attn_output", "self_attention.dense"},
    {"ffn_up", "mlp.dense_h_to_4h"},
    {"ffn_down", "mlp.dense_4h_to_h"},
};
constexpr Name kFalconOfTwoNorms[] = {
    {"token_embd", "transformer.word_embeddings"},
    {"output_norm", "transformer.ln_f"},
    {"attn_norm", "ln_mlp"},
    {"attn_norm_2", "ln_attn"},
    {"attn_qkv", "self_attention.query_key_value", Rows::by_part},
    {"attn_output", "self_attention.dense"},
    {"ffn_up", "mlp.dense_h_to_4h"},
    {"ffn_down", "mlp.dense_4h_to_h"},
};

constexpr Name kGpt2[] = {
    {"token_embd", "transformer.wte"},
    {"position_embd", "transformer.wpe"},
    {"output_norm", "transformer.ln_f"},
    {"attn_norm", "ln_1"},
    {"attn_qkv", "attn.c_attn"},
    {"attn_output", "attn.c_proj"},
    {"ffn_norm", "ln_2"},
    {"ffn_up", "mlp.c_fc"},
    {"ffn_down", "mlp.c_proj"},
};
void finish_gpt2(Config& config) {
  for (const char* key : {"attention_bias", "mlp_bias", "hidden_act"}) config.json.erase(key);
}

void finish_phi2(Config& config) {
  for (const char* key : {"attention_bias", "mlp_bias"}) config.json.erase(key);
}
constexpr Name kPhi2[] = {
    {"output_norm", "model.final_layernorm"},
    {"attn_output", "self_attn.dense"},
    {"ffn_up", "mlp.fc1"},
    {"ffn_down", "mlp.fc2"},
};

constexpr Name kGlm4[] = {
    {"post_attention_norm", "post_self_attn_layernorm"},
    {"post_ffw_norm", "post_mlp_layernorm"},
    {"ffn_up", "mlp.gate_up_proj"},
};

void finish_gpt_neox(Config& config) {
  config.rename("partial_rotary_factor", "rotary_pct");
  config.copy("use_parallel_residual", "use_parallel_residual");
  config.json.erase("mlp_bias");
}
constexpr Name kGptNeox[] = {
    {"token_embd", "gpt_neox.embed_in"},
    {"output_norm", "gpt_neox.final_layer_norm"},
    {"output", "embed_out"},
    {"attn_qkv", "attention.query_key_value", Rows::by_part},
    {"attn_output", "attention.dense"},
    {"ffn_up", "mlp.dense_h_to_4h"},
    {"ffn_down", "mlp.dense_4h_to_h"},
};

void finish_granite_moe(Config& config) {
  add_granite_factors(config);
  config.copy("expert_count", "num_local_experts");
  config.copy("expert_used_count", "num_experts_per_tok");
  if (!config.has("expert_shared_feed_forward_length")) return;
  config.json["model_type"] = "granitemoeshared";
  config.copy("expert_shared_feed_forward_length", "shared_intermediate_size");
}
constexpr Name kGraniteMoe[] = {
    {"ffn_gate_shexp", "shared_mlp.gate_proj"},
    {"ffn_up_shexp", "shared_mlp.up_proj"},
    {"ffn_down_shexp", "shared_mlp.output_linear"},
    {"ffn_gate_inp", "block_sparse_moe.router.layer"},
    {"ffn_gate_exps", "block_sparse_moe.experts.{}.gate_proj", Rows::each_expert},
    {"ffn_up_exps", "block_sparse_moe.experts.{}.up_proj", Rows::each_expert},
    {"ffn_down_exps", "block_sparse_moe.experts.{}.down_proj", Rows::each_expert},
};

void finish_olmo(Config& config) {
  config.json.erase("norm_eps");
  config.copy("attention.clamp_kqv", "clip_qkv");
}
void finish_olmoe(Config& config) {
  config.copy("attention.clamp_kqv", "clip_qkv");
  config.copy("expert_count", "num_experts");
  config.copy("expert_used_count", "num_experts_per_tok");
  config.json["norm_topk_prob"] = false;
}
/// The one with windows is OLMo 3.
void finish_olmo2(Config& config) {
  if (!config.has("attention.sliding_window")) return;
  config.json["model_type"] = "olmo3";
  if (config.has("rope.freq_base_swa") && config.number("rope.freq_base_swa") != config.number("rope.freq_base")) {
    config.metadata.refuse(config.key("rope.freq_base_swa"), "the same as rope.freq_base");
  }
  window_by_pattern(config, 4);
}
constexpr Name kOlmo2[] = {
    {"post_attention_norm", "post_attention_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
};

void finish_phi3(Config& config) {
  config.ignore("attention.sliding_window", "llama.cpp lets this architecture see everything");
}
constexpr Name kPhi3[] = {
    {"ffn_up", "mlp.gate_up_proj"},
};

void finish_seed_oss(Config& config) {
  config.json["attention_out_bias"] = config.stores("blk.0.attn_output.bias");
}
constexpr Name kSeedOss[] = {
    {"post_attention_norm", "post_attention_layernorm"},
};

/// llama.cpp leaves every fourth layer without positions, whatever the config said.
void finish_smollm3(Config& config) {
  Json rotates = Json::array();
  for (int64_t i = 0, layers = config.layers(); i < layers; ++i) rotates.push_back((i + 1) % 4 != 0 ? 1 : 0);
  config.json["no_rope_layers"] = std::move(rotates);
}

void finish_stablelm(Config& config) {
  config.json.erase("attention_bias");
  config.json["use_qkv_bias"] = config.stores("blk.0.attn_q.bias");
  config.json["qk_layernorm"] = config.stores("blk.0.attn_q_norm.weight");
  config.copy("use_parallel_residual", "use_parallel_residual");
}

/// Norms of q and k, one a head.
constexpr Name kStablelm[] = {
    {"attn_q_norm", "self_attn.q_layernorm.norms.{}", Rows::each_expert},
    {"attn_k_norm", "self_attn.k_layernorm.norms.{}", Rows::each_expert},
};

void finish_starcoder2(Config& config) {
  config.json.erase("attention_bias");
  config.json.erase("mlp_bias");
  config.json["use_bias"] = config.stores("blk.0.ffn_up.bias");
}
constexpr Name kStarcoder2[] = {
    {"ffn_up", "mlp.c_fc"},
    {"ffn_down", "mlp.c_proj"},
};

}  // namespace

void add_granite_factors(Config& config) {
  config.copy("attention.scale", "attention_multiplier");
  config.copy("embedding_scale", "embedding_multiplier");
  config.copy("residual_scale", "residual_multiplier");
  config.copy("logit_scale", "logits_scaling");
}

std::span<const Architecture> architectures() {
  static const Architecture rows[] = {
      {.name = "llama", .model_type = "llama", .rotary_rows = true, .names = kMixtral, .finish = finish_llama},
      {.name = "gemma", .model_type = "gemma", .activation = "gelu_pytorch_tanh", .norms_plus_one = true},
      {.name = "gemma2",
       .model_type = "gemma2",
       .activation = "gelu_pytorch_tanh",
       .norms_plus_one = true,
       .names = kGemma2,
       .finish = finish_gemma2},
      {.name = "gemma3",
       .model_type = "gemma3_text",
       .activation = "gelu_pytorch_tanh",
       .norms_plus_one = true,
       .names = kGemma2,
       .finish = finish_gemma3},
      {.name = "arcee", .model_type = "arcee", .activation = "relu2", .rotary_rows = true},
      {.name = "command-r", .model_type = "cohere", .norm_eps = "layer_norm_eps", .finish = finish_cohere},
      {.name = "cohere2", .model_type = "cohere2", .norm_eps = "layer_norm_eps", .finish = finish_cohere2},
      {.name = "ernie4_5", .model_type = "ernie4_5", .finish = finish_ernie4_5},
      {.name = "exaone4", .model_type = "exaone4", .names = kOlmo2, .finish = finish_exaone4},
      {.name = "falcon",
       .model_type = "falcon",
       .activation = "gelu",
       .norm_eps = "layer_norm_epsilon",
       .layers = "transformer.h.",
       .names = kFalconOfTwoNorms,
       .finish = finish_falcon,
       .unused = kKvHeads,
       .sign = "blk.0.attn_norm_2.weight"},
      {.name = "falcon",
       .model_type = "falcon",
       .activation = "gelu",
       .norm_eps = "layer_norm_epsilon",
       .layers = "transformer.h.",
       .names = kFalcon,
       .finish = finish_falcon,
       .unused = kKvHeads},
      {.name = "glm4", .model_type = "glm4", .names = kGlm4},
      {.name = "gpt2",
       .model_type = "gpt2",
       .norm_eps = "layer_norm_epsilon",
       .layers = "transformer.h.",
       .names = kGpt2,
       .finish = finish_gpt2,
       .unused = kSizesOfOldGpts},
      {.name = "gptneox",
       .model_type = "gpt_neox",
       .activation = "gelu",
       .norm_eps = "layer_norm_eps",
       .layers = "gpt_neox.layers.",
       .names = kGptNeox,
       .finish = finish_gpt_neox},
      {.name = "granite", .model_type = "granite", .rotary_rows = true, .finish = add_granite_factors},
      {.name = "granitemoe",
       .model_type = "granitemoe",
       .rotary_rows = true,
       .names = kGraniteMoe,
       .finish = finish_granite_moe},
      {.name = "nemotron",
       .model_type = "nemotron",
       .activation = "relu2",
       .norms_plus_one = true,
       .norm_eps = "norm_eps"},
      {.name = "olmo", .model_type = "olmo", .rotary_rows = true, .norm_eps = "norm_eps", .finish = finish_olmo},
      {.name = "olmo2", .model_type = "olmo2", .names = kOlmo2, .finish = finish_olmo2},
      {.name = "olmoe", .model_type = "olmoe", .finish = finish_olmoe},
      {.name = "phi2",
       .model_type = "phi",
       .activation = "gelu_new",
       .norm_eps = "layer_norm_eps",
       .names = kPhi2,
       .finish = finish_phi2},
      {.name = "phi3", .model_type = "phi3", .names = kPhi3, .finish = finish_phi3},
      {.name = "qwen2", .model_type = "qwen2"},
      {.name = "qwen2moe", .model_type = "qwen2_moe", .finish = finish_qwen2_moe},
      {.name = "qwen2vl", .model_type = "qwen2_vl"},
      {.name = "qwen3", .model_type = "qwen3"},
      {.name = "qwen3vl", .model_type = "qwen3"},
      {.name = "qwen3vlmoe", .model_type = "qwen3_moe", .finish = finish_qwen3_moe},
      {.name = "qwen3moe", .model_type = "qwen3_moe", .finish = finish_qwen3_moe},
      {.name = "gpt-oss", .model_type = "gpt_oss", .names = kGptOss, .finish = finish_gpt_oss},
      {.name = "seed_oss", .model_type = "seed_oss", .names = kSeedOss, .finish = finish_seed_oss},
      {.name = "smollm3", .model_type = "smollm3", .rotary_rows = true, .finish = finish_smollm3},
      {.name = "stablelm",
       .model_type = "stablelm",
       .norm_eps = "layer_norm_eps",
       .names = kStablelm,
       .finish = finish_stablelm},
      {.name = "starcoder2",
       .model_type = "starcoder2",
       .activation = "gelu_pytorch_tanh",
       .norm_eps = "norm_epsilon",
       .names = kStarcoder2,
       .finish = finish_starcoder2},
  };
  return rows;
}

}  // namespace assay::gguf

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "checkpoint/gguf_model/model.h"

namespace assay::gguf {

namespace {

/// llama.cpp's number of the function that makes weights of scores; 0 is the usual one of the architecture.
constexpr int64_t kSoftmax = 1, kSigmoid = 2;

void refuse_scores_but(const Config& config, int64_t known) {
  const int64_t found = config.metadata.integer_or(config.key("expert_gating_func"), 0);
  if (found != 0 && found != known) config.metadata.refuse(config.key("expert_gating_func"), std::to_string(known));
}

/// Which experts a token sees, as DeepSeek calls it.
void add_deepseek_experts(Config& config) {
  config.copy("expert_count", "n_routed_experts");
  config.copy("expert_used_count", "num_experts_per_tok");
  config.copy("expert_shared_count", "n_shared_experts");
  config.copy("expert_feed_forward_length", "moe_intermediate_size");
  config.copy("leading_dense_block_count", "first_k_dense_replace");
  config.json["routed_scaling_factor"] = 1.0;
  config.copy("expert_weights_scale", "routed_scaling_factor");
  config.json["norm_topk_prob"] = config.metadata.boolean_or(config.key("expert_weights_norm"), false);
  config.json["n_group"] = config.json["topk_group"] = 1;
  config.copy("expert_group_count", "n_group");
  config.copy("expert_group_used_count", "topk_group");
}

/// The layers that predict further tokens come last and take no part.
void drop_predicting_layers(Config& config) {
  config.json["num_hidden_layers"] =
      config.layers() - config.metadata.integer_or(config.key("nextn_predict_layers"), 0);
}

void finish_glm4_moe(Config& config) {
  refuse_scores_but(config, kSigmoid);
  drop_predicting_layers(config);
  add_deepseek_experts(config);
  config.json["use_qk_norm"] = config.stores("blk.0.attn_q_norm.weight");
}
constexpr Name kGlm4Moe[] = {
    {"post_attention_norm", "post_attention_layernorm"},
    {"ffn_gate_shexp", "mlp.shared_experts.gate_proj"},
    {"ffn_up_shexp", "mlp.shared_experts.up_proj"},
    {"ffn_down_shexp", "mlp.shared_experts.down_proj"},
};

/// DeepSeek V2 and V3 and what is built like them; they are told apart by the function of the scores. Files have the
/// sizes of heads as they are, or, since kv_b is split, those of a single latent head and the others beside them.
void finish_deepseek2(Config& config) {
  const char* suffix = config.has("attention.key_length_mla") ? "_mla" : "";
  const auto size = [&](const char* name) { return config.integer(fmt::format("attention.{}{}", name, suffix)); };
  const int64_t rope = config.integer("rope.dimension_count"), key = size("key_length");
  if (rope >= key) config.metadata.refuse(config.key("rope.dimension_count"), fmt::format("less than {}", key));
  config.json["qk_rope_head_dim"] = rope;
  config.json["qk_nope_head_dim"] = key - rope;
  config.json["v_head_dim"] = size("value_length");
  config.copy("attention.kv_lora_rank", "kv_lora_rank");
  config.copy("attention.q_lora_rank", "q_lora_rank");
  for (const char* of_other_attention : {"head_dim", "num_key_value_heads"}) {
    config.json.erase(of_other_attention);
  }
  // A file without the key is of V2, unless it has what only V3 has: a bias for choosing.
  const bool bias = std::ranges::any_of(
      config.tensors, [](const auto& tensor) { return tensor.first.find(".exp_probs_b.") != std::string::npos; });
  const int64_t function = config.metadata.integer_or(config.key("expert_gating_func"), 0);
  const bool sigmoid = function == kSigmoid || (function == 0 && bias);
  if (!sigmoid) refuse_scores_but(config, kSoftmax);
  config.json["attention_bias"] = config.stores("blk.0.attn_kv_a_mqa.bias");
  config.json["model_type"] = sigmoid ? "deepseek_v3" : "deepseek_v2";
  drop_predicting_layers(config);
  if (config.metadata.integer_or(config.key("expert_count"), 0) == 0) return;
  add_deepseek_experts(config);
  if (!sigmoid) config.json["topk_method"] = config.json["n_group"] > 1 ? "group_limited_greedy" : "greedy";
}
constexpr Name kDeepseek2[] = {
    {"attn_q_a", "self_attn.q_a_proj"},
    {"attn_q_a_norm", "self_attn.q_a_layernorm"},
    {"attn_q_b", "self_attn.q_b_proj"},
    {"attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa"},
    {"attn_kv_a_norm", "self_attn.kv_a_layernorm"},
    {"attn_kv_b", "self_attn.kv_b_proj"},
    {"attn_k_b", "self_attn.k_b_proj", Rows::each_head},
    {"attn_v_b", "self_attn.v_b_proj", Rows::each_head},
    {"ffn_gate_shexp", "mlp.shared_experts.gate_proj"},
    {"ffn_up_shexp", "mlp.shared_experts.up_proj"},
    {"ffn_down_shexp", "mlp.shared_experts.down_proj"},
};

/// llama.cpp has most of this model in its code: every fourth layer is without positions and sees all, the others see
/// chunks of 8192 tokens; the larger one does not norm q and k. Files that say "no window" rotate and see everywhere.
void finish_llama4(Config& config) {
  refuse_scores_but(config, kSigmoid);
  config.rename("intermediate_size", "intermediate_size_mlp");
  config.copy("expert_feed_forward_length", "intermediate_size");
  config.copy("expert_count", "num_local_experts");
  config.copy("expert_used_count", "num_experts_per_tok");
  config.copy("interleave_moe_layer_step", "interleave_moe_layer_step");
  config.json["use_qk_norm"] = config.metadata.integer_or(config.key("expert_count"), 0) != 128;
  if (config.metadata.integer_or(config.key("attention.sliding_window"), 1) != 0) return;
  const auto layers = static_cast<size_t>(config.layers());
  config.json["layer_types"] = std::vector<std::string>(layers, "full_attention");
  config.json["no_rope_layers"] = std::vector<int>(layers, 1);
}
constexpr Name kLlama4[] = {
    {"ffn_gate", "feed_forward.gate_proj"},
    {"ffn_up", "feed_forward.up_proj"},
    {"ffn_down", "feed_forward.down_proj"},
    {"ffn_gate_inp", "feed_forward.router"},
    {"ffn_gate_exps", "feed_forward.experts.{}.gate_proj", Rows::each_expert},
    {"ffn_up_exps", "feed_forward.experts.{}.up_proj", Rows::each_expert},
    {"ffn_down_exps", "feed_forward.experts.{}.down_proj", Rows::each_expert},
    {"ffn_gate_shexp", "feed_forward.shared_expert.gate_proj"},
    {"ffn_up_shexp", "feed_forward.shared_expert.up_proj"},
    {"ffn_down_shexp", "feed_forward.shared_expert.down_proj"},
};

void finish_minimax_m2(Config& config) {
  refuse_scores_but(config, kSigmoid);
  config.copy("expert_count", "num_local_experts");
  config.copy("expert_used_count", "num_experts_per_tok");
  config.copy("expert_feed_forward_length", "intermediate_size");
}
constexpr Name kMinimaxM2[] = {
    {"ffn_gate_inp", "block_sparse_moe.gate"},
    {"ffn_gate_exps", "block_sparse_moe.experts.{}.w1", Rows::each_expert},
    {"ffn_down_exps", "block_sparse_moe.experts.{}.w2", Rows::each_expert},
    {"ffn_up_exps", "block_sparse_moe.experts.{}.w3", Rows::each_expert},
    {"exp_probs_b", "block_sparse_moe.e_score_correction_bias", Rows::parameter},
};

/// Its code makes every MLP of the size of the first.
void finish_hunyuan_moe(Config& config) {
  refuse_scores_but(config, kSoftmax);
  config.copy("expert_count", "num_experts");
  config.copy("expert_used_count", "moe_topk");
  for (const char* size : {"expert_feed_forward_length", "expert_shared_feed_forward_length"}) {
    if (config.has(size) && config.integer(size) != config.integer("feed_forward_length")) {
      config.metadata.refuse(config.key(size), "the same as feed_forward_length");
    }
  }
  if (config.metadata.integer_or(config.key("expert_shared_count"), 1) != 1) {
    config.metadata.refuse(config.key("expert_shared_count"), "1");
  }
}
constexpr Name kHunyuanMoe[] = {
    {"attn_q_norm", "self_attn.query_layernorm"},
    {"attn_k_norm", "self_attn.key_layernorm"},
    {"ffn_gate_inp", "mlp.gate.wg"},
    {"ffn_gate_shexp", "mlp.shared_mlp.gate_proj"},
    {"ffn_up_shexp", "mlp.shared_mlp.up_proj"},
    {"ffn_down_shexp", "mlp.shared_mlp.down_proj"},
};

void finish_ernie4_5_moe(Config& config) {
  refuse_scores_but(config, kSoftmax);
  config.json["use_bias"] = config.stores("blk.0.attn_q.bias");
  for (const char* key : {"attention_bias", "mlp_bias"}) config.json.erase(key);
  config.copy("expert_count", "moe_num_experts");
  config.copy("expert_used_count", "moe_k");
  config.copy("expert_feed_forward_length", "moe_intermediate_size");
  config.copy("expert_shared_count", "moe_num_shared_experts");
  config.key("expert_shared_feed_forward_length");  // of all of them together; the converter makes it of other sizes
  config.copy("interleave_moe_layer_step", "moe_layer_interval");
  config.copy("leading_dense_block_count", "moe_layer_start_index");
}
constexpr Name kErnieMoe[] = {
    {"ffn_gate_shexp", "mlp.shared_experts.gate_proj"},
    {"ffn_up_shexp", "mlp.shared_experts.up_proj"},
    {"ffn_down_shexp", "mlp.shared_experts.down_proj"},
    {"exp_probs_b", "mlp.moe_statics.e_score_correction_bias", Rows::one_row_parameter},
};

void finish_dbrx(Config& config) {
  refuse_scores_but(config, kSoftmax);
  Json attention = {{"kv_n_heads", config.json["num_key_value_heads"]}, {"rope_theta", config.json["rope_theta"]}};
  if (config.has("attention.clamp_kqv")) attention["clip_qkv"] = config.number("attention.clamp_kqv");
  config.json["attn_config"] = std::move(attention);
  config.json["ffn_config"] = {{"moe_num_experts", config.integer("expert_count")},
                               {"moe_top_k", config.integer("expert_used_count")},
                               {"ffn_hidden_size", config.json["intermediate_size"]}};
  if (config.json.value("layer_norm_eps", 1e-5) != 1e-5) {
    config.metadata.refuse(config.key("attention.layer_norm_epsilon"), "1e-5, as in the model's own code");
  }
  for (const char* key : {"hidden_act", "intermediate_size", "layer_norm_eps"}) config.json.erase(key);
}
constexpr Name kDbrx[] = {
    {"token_embd", "transformer.wte"},
    {"output_norm", "transformer.norm_f"},
    {"attn_norm", "norm_attn_norm.norm_1"},
    {"attn_qkv", "norm_attn_norm.attn.Wqkv"},
    {"attn_output", "norm_attn_norm.attn.out_proj"},
    {"attn_output_norm", "norm_attn_norm.norm_2"},
    {"ffn_gate_inp", "ffn.router.layer"},
    {"ffn_gate_exps", "ffn.experts.mlp.{}.w1", Rows::each_expert},
    {"ffn_up_exps", "ffn.experts.mlp.{}.v1", Rows::each_expert},
    {"ffn_down_exps", "ffn.experts.mlp.{}.w2", Rows::each_expert},
};

void finish_phimoe(Config& config) {
  refuse_scores_but(config, kSoftmax);
  config.copy("expert_count", "num_local_experts");
  config.copy("expert_used_count", "num_experts_per_tok");
  config.copy("attention.sliding_window", "sliding_window");
  config.json["lm_head_bias"] = config.stores("output.bias");
}
constexpr Name kPhimoe[] = {
    {"ffn_gate_inp", "block_sparse_moe.gate"},
    {"ffn_gate_exps", "block_sparse_moe.experts.{}.w1", Rows::each_expert},
    {"ffn_down_exps", "block_sparse_moe.experts.{}.w2", Rows::each_expert},
    {"ffn_up_exps", "block_sparse_moe.experts.{}.w3", Rows::each_expert},
};

}  // namespace

std::span<const Architecture> mixtures() {
  static const Architecture rows[] = {
      {.name = "dbrx",
       .model_type = "dbrx",
       .norm_eps = "layer_norm_eps",
       .layers = "transformer.blocks.",
       .names = kDbrx,
       .finish = finish_dbrx},
      {.name = "deepseek2",
       .model_type = "deepseek_v2",
       .latent = true,
       .names = kDeepseek2,
       .finish = finish_deepseek2},
      {.name = "ernie4_5-moe", .model_type = "ernie4_5_moe", .names = kErnieMoe, .finish = finish_ernie4_5_moe},
      {.name = "glm4moe", .model_type = "glm4_moe", .names = kGlm4Moe, .finish = finish_glm4_moe},
      {.name = "hunyuan-moe", .model_type = "hunyuan_v1_moe", .names = kHunyuanMoe, .finish = finish_hunyuan_moe},
      {.name = "llama4", .model_type = "llama4_text", .names = kLlama4, .finish = finish_llama4},
      {.name = "minimax-m2", .model_type = "minimax_m2", .names = kMinimaxM2, .finish = finish_minimax_m2},
      {.name = "phimoe", .model_type = "phimoe", .names = kPhimoe, .finish = finish_phimoe},
  };
  return rows;
}

}  // namespace assay::gguf

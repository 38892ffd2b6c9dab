#include <gtest/gtest.h>

#include "support/gguf_conversion.h"

namespace assay::test {

namespace {

using Keys = std::vector<MetadataKey>;
using Names = std::vector<Renaming>;

template <class T>
std::vector<T> operator+(std::vector<T> a, const std::vector<T>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Most of what derives from the converter's Llama.
const Names kPairs = {{"self_attn.q_proj", "attn_q", Move::pairs_of_q},
                      {"self_attn.k_proj", "attn_k", Move::pairs_of_k}};
const Names kOutputNorms = {{"post_attention_layernorm", "post_attention_norm"},
                            {"post_feedforward_layernorm", "post_ffw_norm"}};
const Names kMixtralExperts = {
    {"block_sparse_moe.gate", "ffn_gate_inp"},
    {"block_sparse_moe.experts.#.w1", "ffn_gate_exps", Move::stack},
    {"block_sparse_moe.experts.#.w2", "ffn_down_exps", Move::stack},
    {"block_sparse_moe.experts.#.w3", "ffn_up_exps", Move::stack},
    {"block_sparse_moe.e_score_correction_bias", "exp_probs_b.bias"},
};
const Names kGpt2 = {
    {"wte", "token_embd"}, {"wpe", "position_embd"},    {"ln_f", "output_norm"},
    {"ln_1", "attn_norm"}, {"attn.c_attn", "attn_qkv"}, {"attn.c_proj", "attn_output"},
    {"ln_2", "ffn_norm"},  {"mlp.c_fc", "ffn_up"},      {"mlp.c_proj", "ffn_down"},
};
const Names kTurnedGpt2 = {
    {"attn.c_attn", "attn_qkv", Move::turn},
    {"attn.c_proj", "attn_output", Move::turn},
    {"mlp.c_fc", "ffn_up", Move::turn},
    {"mlp.c_proj", "ffn_down", Move::turn},
};
const Names kFalcon = {
    {"word_embeddings", "token_embd"},
    {"word_embeddings_layernorm", "token_embd_norm"},
    {"ln_f", "output_norm"},
    {"ln_mlp", "attn_norm"},
    {"ln_attn", "attn_norm_2"},
    {"self_attention.query_key_value", "attn_qkv", Move::parts},
    {"self_attention.dense", "attn_output"},
    {"mlp.dense_h_to_4h", "ffn_up"},
    {"mlp.dense_4h_to_h", "ffn_down"},
};
const Names kHunyuan = {
    {"self_attn.query_layernorm", "attn_q_norm"},
    {"self_attn.key_layernorm", "attn_k_norm"},
    {"mlp.gate.wg", "ffn_gate_inp"},
    {"mlp.shared_mlp.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_mlp.up_proj", "ffn_up_shexp"},
    {"mlp.shared_mlp.down_proj", "ffn_down_shexp"},
};
const Names kLatent = {
    {"self_attn.q_a_proj", "attn_q_a"},
    {"self_attn.q_a_layernorm", "attn_q_a_norm"},
    {"self_attn.q_b_proj", "attn_q_b"},
    {"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"},
    {"self_attn.kv_a_layernorm", "attn_kv_a_norm"},
};
const Names kSplitLatent = kLatent + Names{{"self_attn.kv_b_proj", "", Move::latent_kv}};
const Names kWholeLatent = kLatent + Names{{"self_attn.kv_b_proj", "attn_kv_b"}};

const Keys kYarn = {
    {"rope.scaling.type", "/rope_parameters/rope_type"},
    {"rope.scaling.factor", "/rope_parameters/factor"},
    {"rope.scaling.original_context_length", "/rope_parameters/original_max_position_embeddings"},
    {"rope.scaling.yarn_attn_factor", "/rope_parameters/attention_factor"},
    {"rope.scaling.yarn_beta_fast", "=32.0"},
    {"rope.scaling.yarn_beta_slow", "=1.0"},
};
const Keys kGptKeys = {
    {"block_count", "/n_layer"},
    {"embedding_length", "/n_embd"},
    {"context_length", "/n_positions"},
    {"attention.head_count", "/n_head"},
    {"attention.layer_norm_epsilon", "/layer_norm_epsilon"},
};
const Keys kDeepseek = {
    {"rope.dimension_count", "/qk_rope_head_dim"},
    {"attention.kv_lora_rank", "/kv_lora_rank"},
    {"attention.q_lora_rank", "/q_lora_rank"},
    {"expert_count", "/n_routed_experts"},
    {"expert_shared_count", "/n_shared_experts"},
    {"expert_feed_forward_length", "/moe_intermediate_size"},
    {"leading_dense_block_count", "/first_k_dense_replace"},
    {"expert_weights_scale", "/routed_scaling_factor"},
    {"expert_weights_norm", "/norm_topk_prob"},
    {"expert_group_count", "/n_group"},
    {"expert_group_used_count", "/topk_group"},
};
/// One latent head for all, and the sizes of the others beside it.
const Keys kOneLatentHead = kDeepseek + Keys{{"attention.head_count_kv", "=1"},
                                             {"attention.key_length", "=40"},
                                             {"attention.value_length", "/kv_lora_rank"},
                                             {"attention.key_length_mla", "/qk_head_dim"},
                                             {"attention.value_length_mla", "/v_head_dim"}};
const Keys kLatentHeads =
    kDeepseek + Keys{{"attention.key_length", "/qk_head_dim"}, {"attention.value_length", "/v_head_dim"}};
const Keys kGranite = {
    {"attention.scale", "/attention_multiplier"},
    {"embedding_scale", "/embedding_multiplier"},
    {"residual_scale", "/residual_multiplier"},
    {"logit_scale", "/logits_scaling"},
};

constexpr const char* kPlainRope = R"({"rope_parameters": {"rope_type": "default", "factor": null,
    "low_freq_factor": null, "high_freq_factor": null, "original_max_position_embeddings": null, "short_factor": null,
    "long_factor": null, "short_mscale": null, "long_mscale": null}})";

/// Those that a file's metadata cannot change: chunks, the growth of queries, layers without positions.
constexpr const char* kPlainLlama4 = R"({"attn_scale": null, "floor_scale": null, "attention_chunk_size": null,
    "layer_types": null, "no_rope_layers": null, "rope_parameters": {"rope_type": "default", "factor": null,
    "low_freq_factor": null, "high_freq_factor": null, "original_max_position_embeddings": null}})";

std::vector<GgufConversion> mixtures() {
  return {
      {"dbrx",
       "dbrx",
       {{"block_count", "/n_layers"},
        {"context_length", "/max_seq_len"},
        {"embedding_length", "/d_model"},
        {"feed_forward_length", "/ffn_config/ffn_hidden_size"},
        {"attention.head_count", "/n_heads"},
        {"attention.layer_norm_epsilon", "=1e-5"},
        {"attention.clamp_kqv", "/attn_config/clip_qkv"},
        {"expert_count", "/ffn_config/moe_num_experts"},
        {"expert_used_count", "/ffn_config/moe_top_k"}},
       {{"wte", "token_embd"},
        {"norm_f", "output_norm"},
        {"norm_attn_norm.norm_1", "attn_norm"},
        {"norm_attn_norm.norm_2", "attn_output_norm"},
        {"norm_attn_norm.attn.Wqkv", "attn_qkv"},
        {"norm_attn_norm.attn.out_proj", "attn_output"},
        {"ffn.router.layer", "ffn_gate_inp"},
        {"ffn.experts.mlp.w1", "ffn_gate_exps", Move::row_stack},
        {"ffn.experts.mlp.v1", "ffn_up_exps", Move::row_stack},
        {"ffn.experts.mlp.w2", "ffn_down_exps", Move::turned_row_stack}}},
      // Of two factors of yarn's magnitude only the one for all components is kept.
      {"deepseek_v2", "deepseek2", kOneLatentHead + kYarn + Keys{{"rope.scaling.yarn_log_multiplier", "=0.05"}},
       kSplitLatent, R"({"rope_parameters": {"mscale": 0.5}})"},
      {"deepseek_v2", "deepseek2", kLatentHeads + kYarn + Keys{{"rope.scaling.yarn_log_multiplier", "=0.05"}},
       kWholeLatent, R"({"rope_parameters": {"mscale": 0.5}})", 0, "_whole"},
      {"deepseek_v2_lite", "deepseek2", kOneLatentHead, kSplitLatent},
      {"deepseek_v3", "deepseek2",
       kOneLatentHead + kYarn + Keys{{"rope.scaling.yarn_log_multiplier", "=0.1"}, {"expert_gating_func", "=2"}},
       kSplitLatent},
      {"ernie4_5_moe",
       "ernie4_5-moe",
       {{"expert_count", "/moe_num_experts"},
        {"expert_used_count", "/moe_k"},
        {"interleave_moe_layer_step", "/moe_layer_interval"},
        {"leading_dense_block_count", "/moe_layer_start_index"},
        {"expert_feed_forward_length", "/moe_intermediate_size"},
        {"expert_shared_count", "/moe_num_shared_experts"},
        {"expert_shared_feed_forward_length", "=32"}},
       {{"mlp.moe_statics.e_score_correction_bias", "exp_probs_b.bias"}}},
      {"granitemoeshared", "granitemoe",
       kGranite + Keys{{"expert_count", "/num_local_experts"},
                       {"expert_shared_feed_forward_length", "/shared_intermediate_size"}},
       kPairs + Names{{"block_sparse_moe.input_linear", "ffn_gate_exps", Move::gate_up_stack},
                      {"block_sparse_moe.output_linear", "ffn_down_exps"},
                      {"block_sparse_moe.router.layer", "ffn_gate_inp"},
                      {"shared_mlp.input_linear", "ffn_gate_shexp", Move::gate_up},
                      {"shared_mlp.output_linear", "ffn_down_shexp"}}},
      {"hunyuan_v1_moe",
       "hunyuan-moe",
       {{"rope.freq_base", "=874339.3107950698"},
        {"rope.scaling.type", "=\"none\""},
        {"rope.scaling.factor", "=1.0"},
        {"expert_count", "/num_experts"},
        {"expert_used_count", "/moe_topk"},
        {"expert_shared_count", "=1"},
        {"expert_feed_forward_length", "/intermediate_size"},
        {"expert_shared_feed_forward_length", "/intermediate_size"}},
       kHunyuan,
       "{}",
       1e-4},
      {"llama4_text",
       "llama4",
       {{"feed_forward_length", "/intermediate_size_mlp"},
        {"expert_feed_forward_length", "/intermediate_size"},
        {"expert_count", "/num_local_experts"},
        {"rope.dimension_count", "/head_dim"},
        {"interleave_moe_layer_step", "/interleave_moe_layer_step"}},
       {{"feed_forward.gate_proj", "ffn_gate"},
        {"feed_forward.up_proj", "ffn_up"},
        {"feed_forward.down_proj", "ffn_down"},
        {"feed_forward.router", "ffn_gate_inp"},
        {"feed_forward.experts.gate_up_proj", "ffn_gate_exps", Move::turned_gate_up},
        {"feed_forward.experts.down_proj", "ffn_down_exps", Move::turned_stack},
        {"feed_forward.shared_expert.gate_proj", "ffn_gate_shexp"},
        {"feed_forward.shared_expert.up_proj", "ffn_up_shexp"},
        {"feed_forward.shared_expert.down_proj", "ffn_down_shexp"}},
       kPlainLlama4},
      {"minimax_m2",
       "minimax-m2",
       {{"expert_count", "/num_local_experts"},
        {"expert_feed_forward_length", "/intermediate_size"},
        {"rope.dimension_count", "=12"}},
       kMixtralExperts},
      {"olmoe", "olmoe", {{"expert_count", "/num_experts"}, {"attention.clamp_kqv", "/clip_qkv"}}, {}},
      {"phimoe",
       "phimoe",
       {{"expert_count", "/num_local_experts"}, {"attention.sliding_window", "/sliding_window"}},
       kMixtralExperts,
       kPlainRope},
  };
}

std::vector<GgufConversion> decoders() {
  return {
      {"apertus",
       "apertus",
       {{"rope.dimension_count", "=16"}},
       {{"attention_layernorm", "attn_norm"},
        {"feedforward_layernorm", "ffn_norm"},
        {"mlp.act_fn.alpha_n", "xielu.alpha_n", Move::number},
        {"mlp.act_fn.alpha_p", "xielu.alpha_p", Move::number},
        {"mlp.act_fn.beta", "xielu.beta", Move::number},
        {"mlp.act_fn.eps", "xielu.eps", Move::number}},
       kPlainRope},
      {"arcee", "arcee", kYarn, kPairs},
      {"bitnet",
       "bitnet",
       {},
       {{"self_attn.attn_sub_norm", "attn_sub_norm"}, {"mlp.ffn_sub_norm", "ffn_sub_norm"}},
       R"({"hidden_act": "silu"})"},
      {"bloom",
       "bloom",
       {{"block_count", "/n_layer"},
        {"context_length", "=64"},
        {"feed_forward_length", "=256"},
        {"attention.head_count", "/n_head"},
        {"attention.layer_norm_epsilon", "/layer_norm_epsilon"}},
       kFalcon},
      {"cohere",
       "command-r",
       {{"attention.layer_norm_epsilon", "/layer_norm_eps"}, {"logit_scale", "/logit_scale"}},
       {}},
      // Every fourth layer sees all; here are three.
      {"cohere2",
       "cohere2",
       {{"attention.layer_norm_epsilon", "/layer_norm_eps"},
        {"logit_scale", "/logit_scale"},
        {"attention.sliding_window", "/sliding_window"}},
       {},
       R"({"layer_types": ["sliding_attention", "sliding_attention", "sliding_attention"]})"},
      {"ernie4_5", "ernie4_5", {}, {}},
      {"exaone4",
       "exaone4",
       {{"attention.sliding_window", "/sliding_window"}, {"attention.sliding_window_pattern", "=[true, true, false]"}},
       kOutputNorms},
      {"falcon_40b",
       "falcon",
       {{"feed_forward_length", "/ffn_hidden_size"},
        {"attention.head_count_kv", "/num_kv_heads"},
        {"attention.layer_norm_epsilon", "/layer_norm_epsilon"}},
       kFalcon},
      {"glm", "chatglm", {{"rope.dimension_count", "=12"}}, {{"mlp.gate_up_proj", "ffn_up"}}},
      {"gpt2", "gpt2", kGptKeys + Keys{{"feed_forward_length", "=256"}}, kTurnedGpt2 + kGpt2},
      {"gpt_bigcode", "starcoder",
       kGptKeys + Keys{{"feed_forward_length", "/n_inner"}, {"attention.head_count_kv", "=1"}}, kGpt2},
      {"hunyuan_v1_dense",
       "hunyuan-dense",
       {{"rope.freq_base", "=713545.7486209089"}, {"rope.scaling.type", "=\"none\""}, {"rope.scaling.factor", "=1.0"}},
       kHunyuan,
       "{}",
       1e-4},
      {"ministral3", "mistral3",
       kYarn + Keys{{"rope.scaling.yarn_log_multiplier", "/rope_parameters/mscale_all_dim"},
                    {"attention.temperature_scale", "/rope_parameters/llama_4_scaling_beta"}},
       kPairs},
      {"mpt",
       "mpt",
       {{"block_count", "/n_layers"},
        {"context_length", "/max_seq_len"},
        {"embedding_length", "/d_model"},
        {"feed_forward_length", "=256"},
        {"attention.head_count", "/n_heads"},
        {"attention.layer_norm_epsilon", "=1e-5"},
        {"attention.max_alibi_bias", "=8.0"}},
       {{"wte", "token_embd"},
        {"norm_f", "output_norm"},
        {"norm_1", "attn_norm"},
        {"attn.Wqkv", "attn_qkv"},
        {"attn.out_proj", "attn_output"},
        {"norm_2", "ffn_norm"},
        {"ffn.up_proj", "ffn_up"},
        {"ffn.down_proj", "ffn_down"}},
       R"({"layer_norm_epsilon": 1e-5})"},
      {"olmo", "olmo", {{"attention.layer_norm_epsilon", "=1e-5"}, {"attention.clamp_kqv", "/clip_qkv"}}, kPairs},
      {"olmo3",
       "olmo2",
       {{"attention.sliding_window", "/sliding_window"},
        {"attention.sliding_window_pattern", "=[true, false]"},
        {"rope.freq_base", "/rope_parameters/full_attention/rope_theta"},
        {"rope.freq_base_swa", "/rope_parameters/sliding_attention/rope_theta"},
        {"rope.scaling.type", "=\"yarn\""},
        {"rope.scaling.factor", "/rope_parameters/full_attention/factor"},
        {"rope.scaling.original_context_length", "/rope_parameters/full_attention/original_max_position_embeddings"}},
       kOutputNorms},
      {"phi",
       "phi2",
       {{"attention.layer_norm_epsilon", "/layer_norm_eps"}, {"rope.dimension_count", "=8"}},
       {{"final_layernorm", "output_norm"},
        {"self_attn.dense", "attn_output"},
        {"mlp.fc1", "ffn_up"},
        {"mlp.fc2", "ffn_down"}}},
  };
}

}  // namespace

const std::vector<GgufConversion>& gguf_conversions() {
  static const std::vector<GgufConversion> all = mixtures() + decoders();
  return all;
}

}  // namespace assay::test

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.h"
#include "checkpoint/gguf_model/model.h"

namespace assay::gguf {

namespace {

/// layer_types, by whether a layer stores a tensor.
void tell_layers_by(Config& config, std::string_view tensor, const char* with, const char* without) {
  Json types = Json::array();
  for (int64_t i = 0, layers = config.layers(); i < layers; ++i) {
    types.push_back(config.stores(i, tensor) ? with : without);
  }
  config.json["layer_types"] = std::move(types);
}

/// One key as a multiple of another.
int64_t quotient(const Config& config, std::string_view name, std::string_view divisor) {
  const int64_t whole = config.integer(name), part = config.integer(divisor);
  if (part < 1 || whole < part || whole % part != 0) {
    config.metadata.refuse(config.key(name), fmt::format("a multiple of {}, {}", config.key(divisor), part));
  }
  return whole / part;
}

/// Rows of a tensor, 0 where it is not there.
int64_t rows_of(const Config& config, std::string_view tensor) {
  const auto it = config.tensors.find(tensor);
  return it == config.tensors.end() || it->second.shape.empty() ? 0 : it->second.shape[0];
}

/// Layers that predict further tokens come last and take no part.
void drop_predicting_layers(Config& config) {
  const int64_t further = config.integer_or("nextn_predict_layers", 0);
  if (further < 0 || further >= config.layers()) {
    config.metadata.refuse(config.key("nextn_predict_layers"), fmt::format("less than {} layers", config.layers()));
  }
  if (further == 0) return;
  config.json["num_hidden_layers"] = config.layers() - further;
  Json& types = config.json["layer_types"];
  types.erase(types.end() - further, types.end());
}

void finish_qwen35(Config& config) {
  config.copy("ssm.conv_kernel", "linear_conv_kernel_dim");
  config.copy("ssm.state_size", "linear_key_head_dim");
  config.copy("ssm.group_count", "linear_num_key_heads");
  config.copy("ssm.time_step_rank", "linear_num_value_heads");
  config.json["linear_value_head_dim"] = quotient(config, "ssm.inner_size", "ssm.time_step_rank");
  quotient(config, "ssm.time_step_rank", "ssm.group_count");
  tell_layers_by(config, "ssm_a", "linear_attention", "full_attention");
  drop_predicting_layers(config);
}
void add_qwen_experts(Config& config) {
  config.copy("expert_count", "num_experts");
  config.copy("expert_used_count", "num_experts_per_tok");
  config.copy("expert_feed_forward_length", "moe_intermediate_size");
  config.copy("expert_shared_feed_forward_length", "shared_expert_intermediate_size");
}
void finish_qwen3_next(Config& config) {
  finish_qwen35(config);
  add_qwen_experts(config);
  config.json["norm_topk_prob"] = true;
  Json dense = Json::array();
  for (int64_t i = 0, layers = config.layers(); i < layers; ++i) {
    if (!config.stores(i, "ffn_gate_inp.weight")) dense.push_back(i);
  }
  config.json["mlp_only_layers"] = std::move(dense);
}
void finish_qwen35_moe(Config& config) {
  finish_qwen35(config);
  add_qwen_experts(config);
}
/// The converter takes apart what Qwen3-Next stores together; older ones did not.
constexpr Name kQwenDelta[] = {
    {"post_attention_norm", "post_attention_layernorm"},
    {"attn_qkv", "linear_attn.in_proj_qkv", Rows::same, Values::rows},
    {"attn_gate", "linear_attn.in_proj_z", Rows::same, Values::rows},
    {"ssm_in", "linear_attn.in_proj_qkvz"},
    {"ssm_ba", "linear_attn.in_proj_ba"},
    {"ssm_alpha", "linear_attn.in_proj_a", Rows::same, Values::heads},
    {"ssm_beta", "linear_attn.in_proj_b", Rows::same, Values::heads},
    {"ssm_conv1d", "linear_attn.conv1d", Rows::convolution, Values::rows},
    {"ssm_dt", "linear_attn.dt_bias", Rows::parameter, Values::heads},
    {"ssm_a", "linear_attn.A", Rows::same, Values::heads},
    {"ssm_norm", "linear_attn.norm"},
    {"ssm_out", "linear_attn.out_proj", Rows::same, Values::columns},
};

/// What Gemma 3n and 4 share; says which layers have a window. The last ones take keys and values from earlier ones.
std::vector<bool> finish_gemma_kv(Config& config) {
  config.rename("hidden_act", "hidden_activation");
  config.copy("final_logit_softcapping", "final_logit_softcapping");
  config.copy("attention.sliding_window", "sliding_window");
  config.copy("attention.shared_kv_layers", "num_kv_shared_layers");
  config.copy("embedding_length_per_layer_input", "hidden_size_per_layer_input");
  const std::string pattern = config.key("attention.sliding_window_pattern");
  const std::vector<bool> slides = config.metadata.booleans(pattern);
  if (static_cast<int64_t>(slides.size()) != config.layers()) {
    config.metadata.refuse(pattern, fmt::format("one entry for each of {} layers", config.layers()));
  }
  Json types = Json::array();
  for (const bool slide : slides) types.push_back(slide ? "sliding_attention" : "full_attention");
  config.json["layer_types"] = std::move(types);
  Json& ropes = config.json["rope_parameters"];
  const auto add_rope = [&](const char* type, const char* key, double theta) {
    ropes[type]["rope_type"] = "default";
    ropes[type]["rope_theta"] = config.shortest_or(key, theta);
  };
  add_rope("full_attention", "rope.freq_base", 1e6);
  add_rope("sliding_attention", "rope.freq_base_swa", 1e4);
  if (const int64_t rows = rows_of(config, "per_layer_token_embd.weight"); rows > 0) {
    config.json["vocab_size_per_layer_input"] = rows;
  }
  return slides;
}

/// Gates are cut off at mean + scale * deviation; -inf: not at all. The config has the share of a normal distribution.
Json shares_cut_off(const Config& config) {
  const std::string key = config.key("activation_sparsity_scale");
  Json shares = Json::array();
  for (const double scale : config.metadata.numbers(key)) {
    if (std::isnan(scale)) config.metadata.refuse(key, "numbers");
    shares.push_back(std::erfc(-scale / std::numbers::sqrt2) / 2);
  }
  return shares;
}

void finish_gemma3n(Config& config) {
  finish_gemma_kv(config);
  config.json["intermediate_size"] = config.of_layers("feed_forward_length");
  config.json["num_key_value_heads"] = config.same_in_all_layers("attention.head_count_kv");
  config.json["activation_sparsity_pattern"] = shares_cut_off(config);
  config.copy("altup.active_idx", "altup_active_idx");
  config.copy("altup.num_inputs", "altup_num_inputs");
  config.json["altup_correct_scale"] = config.stores("blk.0.altup_correct_scale.weight");
  config.json["laurel_rank"] = rows_of(config, "blk.0.laurel_l.weight");
}
constexpr Name kGemma3n[] = {
    {"per_layer_token_embd", "model.embed_tokens_per_layer"},
    {"per_layer_model_proj", "model.per_layer_model_projection"},
    {"per_layer_proj_norm", "model.per_layer_projection_norm"},
    {"altup_proj", "model.altup_projections.{}", Rows::each_expert},
    {"altup_unembd_proj", "model.altup_unembed_projections.{}", Rows::each_expert},
    {"altup_router", "altup.modality_router"},
    {"altup_router_norm", "altup.router_norm"},
    {"altup_predict_coef", "altup.prediction_coefs"},
    {"altup_correct_coef", "altup.correction_coefs"},
    {"altup_correct_scale", "altup.correct_output_scale", Rows::parameter},
    {"laurel_l", "laurel.linear_left"},
    {"laurel_r", "laurel.linear_right"},
    {"laurel_post_norm", "laurel.post_laurel_norm"},
    {"inp_gate", "per_layer_input_gate"},
    {"proj", "per_layer_projection"},
    {"post_norm", "post_per_layer_input_norm"},
    {"post_attention_norm", "post_attention_layernorm"},
    {"ffn_norm", "pre_feedforward_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
};

/// Full layers rotate the pairs that have no divisor of 1e30.
void add_proportional_rope(Config& config, int64_t head_dim) {
  if (config.integer_or("rope.dimension_count", head_dim) != head_dim) {
    config.metadata.refuse(config.key("rope.dimension_count"), fmt::format("{}, the size of a head", head_dim));
  }
  if (!config.stores("rope_freqs.weight")) return;
  const std::vector<float> divisors = config.vector("rope_freqs.weight");
  const auto end = std::ranges::find_if(divisors, [](float divisor) { return divisor != 1; });
  const auto pairs = static_cast<int64_t>(end - divisors.begin());
  const bool rest_stands = std::all_of(end, divisors.end(), [](float divisor) { return divisor > 1e20f; });
  if (static_cast<int64_t>(divisors.size()) != head_dim / 2 || pairs == 0 || !rest_stands) {
    fail("{}: tensor rope_freqs.weight: expected 1 for some of {} pairs, then 1e30, found others",
         config.metadata.path().string(), head_dim / 2);
  }
  Json& rope = config.json["rope_parameters"]["full_attention"];
  rope["rope_type"] = "proportional";
  rope["partial_rotary_factor"] = share(2 * pairs, head_dim);
}

/// MLPs of layers without keys of their own may be twice as wide.
void add_double_width(Config& config) {
  const std::vector<int64_t> widths = config.of_layers("feed_forward_length");
  const int64_t layers = config.layers(), sharing = config.integer_or("attention.shared_kv_layers", 0);
  const bool wide = widths.back() != widths.front();
  const int64_t most = std::min(widths.front(), int64_t{INT32_MAX});
  for (int64_t i = 0; i < layers; ++i) {
    const bool shares = sharing > 0 && sharing <= layers && i >= layers - sharing;
    if (widths[static_cast<size_t>(i)] != most * (wide && shares ? 2 : 1)) {
      config.metadata.refuse(config.key("feed_forward_length"),
                             "one number, or twice that in all layers that share keys and values");
    }
  }
  config.json["intermediate_size"] = widths.front();
  config.json["use_double_wide_mlp"] = wide;
}

void finish_gemma4(Config& config) {
  const std::vector<bool> slides = finish_gemma_kv(config);
  add_double_width(config);
  const int64_t full_dim = config.head_dim();
  const int64_t dim = config.integer_or("attention.key_length_swa", full_dim);
  for (const char* key : {"attention.value_length_swa", "rope.dimension_count_swa"}) {
    if (config.integer_or(key, dim) != dim) {
      config.metadata.refuse(config.key(key), fmt::format("{}, the size of a head of layers with a window", dim));
    }
  }
  add_proportional_rope(config, full_dim);
  config.json["head_dim"] = dim;
  const std::vector<int64_t> kv_heads = config.of_layers("attention.head_count_kv");
  Json layers = Json::object();
  bool k_is_v = false;
  for (int64_t i = 0; i < config.layers(); ++i) {
    const bool full = !slides[static_cast<size_t>(i)];
    Json& layer = layers[std::to_string(i)];
    layer["head_dim"] = full ? full_dim : dim;
    layer["num_key_value_heads"] = kv_heads[static_cast<size_t>(i)];
    k_is_v = k_is_v || (full && config.stores(i, "attn_k.weight") && !config.stores(i, "attn_v.weight"));
  }
  config.json["num_key_value_heads"] = kv_heads.front();
  config.json["per_layer_config"] = std::move(layers);
  config.json["attention_k_eq_v"] = k_is_v;
  if (!config.layers_store("ffn_gate_inp.weight")) return;
  config.json["enable_moe_block"] = true;
  config.copy("expert_count", "num_experts");
  config.copy("expert_used_count", "top_k_experts");
  config.copy("expert_feed_forward_length", "moe_intermediate_size");
}
constexpr Name kGemma4[] = {
    {"per_layer_token_embd", "model.embed_tokens_per_layer"},
    {"per_layer_model_proj", "model.per_layer_model_projection"},
    {"per_layer_proj_norm", "model.per_layer_projection_norm"},
    {"inp_gate", "per_layer_input_gate"},
    {"proj", "per_layer_projection"},
    {"post_norm", "post_per_layer_input_norm"},
    {"post_attention_norm", "post_attention_layernorm"},
    {"ffn_norm", "pre_feedforward_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
    {"post_ffw_norm_1", "post_feedforward_layernorm_1"},
    {"pre_ffw_norm_2", "pre_feedforward_layernorm_2"},
    {"post_ffw_norm_2", "post_feedforward_layernorm_2"},
    {"layer_output_scale", "layer_scalar", Rows::parameter},
    {"ffn_gate_inp", "router.proj"},
    {"ffn_gate_inp.scale", "router.scale"},
    {"ffn_gate_up_exps", "experts.gate_up_proj", Rows::parameter},
    {"ffn_down_exps", "experts.down_proj", Rows::parameter},
    {"ffn_down_exps.scale", "router.per_expert_scale"},
};

void finish_lfm2(Config& config) {
  config.json["block_auto_adjust_ff_dim"] = false;
  config.copy("shortconv.l_cache", "conv_L_cache");
  config.json["conv_bias"] = config.layers_store("shortconv.in_proj.bias");
  tell_layers_by(config, "shortconv.conv.weight", "conv", "full_attention");
}
constexpr Name kLfm2[] = {
    {"token_embd_norm", "model.embedding_norm"},
    {"output_norm", "model.embedding_norm"},
    {"attn_norm", "operator_norm"},
    {"attn_output", "self_attn.out_proj"},
    {"attn_q_norm", "self_attn.q_layernorm"},
    {"attn_k_norm", "self_attn.k_layernorm"},
    {"ffn_norm", "ffn_norm"},
    {"ffn_gate", "feed_forward.w1"},
    {"ffn_up", "feed_forward.w3"},
    {"ffn_down", "feed_forward.w2"},
    {"shortconv.conv", "conv.conv", Rows::convolution},
    {"shortconv.in_proj", "conv.in_proj"},
    {"shortconv.out_proj", "conv.out_proj"},
};

/// Sizes of a Mamba-2 mixer in a layer of other things.
void add_mamba2(Config& config) {
  config.copy("ssm.time_step_rank", "mamba_n_heads");
  config.json["mamba_d_head"] = quotient(config, "ssm.inner_size", "ssm.time_step_rank");
  config.copy("ssm.group_count", "mamba_n_groups");
  config.copy("ssm.state_size", "mamba_d_state");
  config.copy("ssm.conv_kernel", "mamba_d_conv");
  config.json["mamba_conv_bias"] = config.layers_store("ssm_conv1d.bias");
  config.json["mamba_proj_bias"] = config.layers_store("ssm_in.bias");
}

/// Granite 4, and Bamba, which has neither factors nor experts, but positions.
void finish_granite_hybrid(Config& config) {
  config.json["attention_multiplier"] = 1 / std::sqrt(static_cast<double>(config.head_dim()));
  add_granite_factors(config);
  add_mamba2(config);
  config.json["mamba_expand"] = quotient(config, "ssm.inner_size", "embedding_length");
  const bool rope = config.metadata.boolean_or(config.key("rope.scaling.finetuned"), false);
  config.json["position_embedding_type"] = rope ? "rope" : "nope";
  tell_layers_by(config, "ssm_a", "mamba", "attention");
  config.json["num_local_experts"] = config.integer_or("expert_count", 0);
  config.copy("expert_used_count", "num_experts_per_tok");
  for (const char* size : {"feed_forward_length", "expert_shared_feed_forward_length"}) {
    config.copy(size, "shared_intermediate_size");
  }
}
/// Bamba's norm of the MLP may stand without ".weight", as Falcon-H1's does.
constexpr Name kGraniteHybrid[] = {
    {"ffn_norm", "post_attention_layernorm.weight", Rows::parameter},
    {"ssm_in", "mamba.in_proj"},
    {"ssm_conv1d", "mamba.conv1d", Rows::convolution},
    {"ssm_dt", "mamba.dt_bias", Rows::parameter},
    {"ssm_a", "mamba.A", Rows::flat},
    {"ssm_d", "mamba.D", Rows::flat},
    {"ssm_norm", "mamba.norm", Rows::flat},
    {"ssm_out", "mamba.out_proj"},
    {"ffn_gate", "shared_mlp.gate_proj"},
    {"ffn_up", "shared_mlp.up_proj"},
    {"ffn_down", "shared_mlp.output_linear"},
    {"ffn_gate_shexp", "shared_mlp.gate_proj"},
    {"ffn_up_shexp", "shared_mlp.up_proj"},
    {"ffn_down_shexp", "shared_mlp.output_linear"},
    {"ffn_gate_inp", "block_sparse_moe.router.layer"},
    {"ffn_gate_exps", "block_sparse_moe.experts.{}.gate_proj", Rows::each_expert},
    {"ffn_up_exps", "block_sparse_moe.experts.{}.up_proj", Rows::each_expert},
    {"ffn_down_exps", "block_sparse_moe.experts.{}.down_proj", Rows::each_expert},
};

/// The converter multiplies the weights by the config's factors, so that none are left. llama.cpp norms what the gate
/// has passed, whatever the config said.
void finish_falcon_h1(Config& config) {
  add_mamba2(config);
  config.copy("ssm.inner_size", "mamba_d_ssm");
  config.json["mamba_rms_norm"] = config.layers_store("ssm_norm.weight");
  config.json["mamba_norm_before_gate"] = false;
  config.json["projectors_bias"] = config.layers_store("ssm_out.bias");
}
constexpr Name kFalconH1[] = {
    {"output_norm", "model.final_layernorm"},
    {"ffn_norm", "pre_ff_layernorm.weight", Rows::parameter},
    {"ffn_gate", "feed_forward.gate_proj"},
    {"ffn_up", "feed_forward.up_proj"},
    {"ffn_down", "feed_forward.down_proj"},
    {"ssm_in", "mamba.in_proj"},
    {"ssm_conv1d", "mamba.conv1d", Rows::convolution},
    {"ssm_dt", "mamba.dt_bias", Rows::parameter},
    {"ssm_a", "mamba.A", Rows::flat},
    {"ssm_d", "mamba.D", Rows::flat},
    {"ssm_norm", "mamba.norm", Rows::flat},
    {"ssm_out", "mamba.out_proj"},
};

void finish_mamba(Config& config) {
  if (config.metadata.boolean_or(config.key("ssm.dt_b_c_rms"), false)) {
    config.metadata.refuse(config.key("ssm.dt_b_c_rms"), "false: norms of time steps, B and C are not supported");
  }
  config.copy("ssm.inner_size", "intermediate_size");
  config.copy("ssm.state_size", "state_size");
  config.copy("ssm.conv_kernel", "conv_kernel");
  config.copy("ssm.time_step_rank", "time_step_rank");
  config.json["use_bias"] = config.layers_store("ssm_in.bias");
  config.json["use_conv_bias"] = config.layers_store("ssm_conv1d.bias");
}
constexpr Name kMamba[] = {
    {"token_embd", "backbone.embeddings"},
    {"output_norm", "backbone.norm_f"},
    {"attn_norm", "norm"},
    {"ssm_in", "mixer.in_proj"},
    {"ssm_conv1d", "mixer.conv1d", Rows::convolution},
    {"ssm_x", "mixer.x_proj"},
    {"ssm_dt", "mixer.dt_proj"},
    {"ssm_a", "mixer.A"},
    {"ssm_d", "mixer.D"},
    {"ssm_out", "mixer.out_proj"},
};

void finish_mamba2(Config& config) {
  finish_mamba(config);
  config.rename("time_step_rank", "num_heads");
  config.json["head_dim"] = quotient(config, "ssm.inner_size", "ssm.time_step_rank");
  config.copy("ssm.group_count", "n_groups");
}
constexpr Name kMamba2[] = {
    {"token_embd", "backbone.embeddings"},
    {"output_norm", "backbone.norm_f"},
    {"attn_norm", "norm"},
    {"ssm_in", "mixer.in_proj"},
    {"ssm_conv1d", "mixer.conv1d", Rows::convolution},
    {"ssm_dt", "mixer.dt_bias", Rows::parameter},
    {"ssm_a", "mixer.A", Rows::flat},
    {"ssm_d", "mixer.D", Rows::flat},
    {"ssm_norm", "mixer.norm", Rows::flat},
    {"ssm_out", "mixer.out_proj"},
};

}  // namespace

std::span<const Architecture> hybrids() {
  static const Architecture rows[] = {
      {.name = "falcon-h1", .model_type = "falcon_h1", .names = kFalconH1, .finish = finish_falcon_h1},
      {.name = "gemma3n",
       .model_type = "gemma3n_text",
       .activation = "gelu_pytorch_tanh",
       .names = kGemma3n,
       .finish = finish_gemma3n,
       .lists = Lists::any,
       .own_rope = true},
      {.name = "gemma4",
       .model_type = "gemma4_text",
       .activation = "gelu_pytorch_tanh",
       .names = kGemma4,
       .finish = finish_gemma4,
       .lists = Lists::any,
       .own_rope = true},
      {.name = "granitehybrid",
       .model_type = "granitemoehybrid",
       .rotary_rows = true,
       .names = kGraniteHybrid,
       .finish = finish_granite_hybrid,
       .lists = Lists::zeros},
      {.name = "lfm2",
       .model_type = "lfm2",
       .norm_eps = "norm_eps",
       .names = kLfm2,
       .finish = finish_lfm2,
       .lists = Lists::zeros},
      {.name = "mamba",
       .model_type = "mamba",
       .norm_eps = "layer_norm_epsilon",
       .layers = "backbone.layers.",
       .names = kMamba,
       .finish = finish_mamba,
       .has_attention = false},
      {.name = "mamba2",
       .model_type = "mamba2",
       .norm_eps = "layer_norm_epsilon",
       .layers = "backbone.layers.",
       .names = kMamba2,
       .finish = finish_mamba2,
       .has_attention = false},
      {.name = "qwen3next",
       .model_type = "qwen3_next",
       .norms_plus_one = true,
       .names = kQwenDelta,
       .finish = finish_qwen3_next},
      {.name = "qwen35",
       .model_type = "qwen3_5_text",
       .norms_plus_one = true,
       .names = kQwenDelta,
       .finish = finish_qwen35,
       .dealt_values = true},
      {.name = "qwen35moe",
       .model_type = "qwen3_5_moe_text",
       .norms_plus_one = true,
       .names = kQwenDelta,
       .finish = finish_qwen35_moe,
       .dealt_values = true},
  };
  return rows;
}

}  // namespace assay::gguf

#include <cmath>
#include <nlohmann/json.hpp>

#include "checkpoint/gguf_model/model.h"

namespace assay::gguf {

namespace {

void erase(Config& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys) config.json.erase(key);
}

/// The parameters of xIELU are metadata, a number for each layer.
void finish_apertus(Config& config) {
  for (const char* name : {"alpha_n", "alpha_p", "beta", "eps"}) {
    config.add_scalars(std::string("xielu.") + name, std::string("model.layers.{}.mlp.act_fn.") + name);
  }
}
constexpr Name kApertus[] = {
    {"attn_norm", "attention_layernorm"},
    {"ffn_norm", "feedforward_layernorm"},
};

constexpr Name kBitnet[] = {
    {"attn_sub_norm", "self_attn.attn_sub_norm"},
    {"ffn_sub_norm", "mlp.ffn_sub_norm"},
};

void finish_bloom(Config& config) {
  const int64_t hidden = config.json["hidden_size"];
  if (config.json.value("intermediate_size", 4 * hidden) != 4 * hidden) {
    config.metadata.refuse(config.key("feed_forward_length"), "four times embedding_length");
  }
  erase(config, {"hidden_act", "attention_bias", "mlp_bias", "intermediate_size"});
}
constexpr Name kBloom[] = {
    {"token_embd", "transformer.word_embeddings"},
    {"token_embd_norm", "transformer.word_embeddings_layernorm"},
    {"output_norm", "transformer.ln_f"},
    {"attn_qkv", "self_attention.query_key_value", Rows::by_part},
    {"attn_output", "self_attention.dense"},
    {"ffn_up", "mlp.dense_h_to_4h"},
    {"ffn_down", "mlp.dense_4h_to_h"},
};

constexpr Name kChatGlm[] = {
    {"attn_qkv", "self_attn.{}_proj", Rows::q_k_v},
    {"ffn_up", "mlp.gate_up_proj"},
};

constexpr Name kHunyuan[] = {
    {"attn_q_norm", "self_attn.query_layernorm"},
    {"attn_k_norm", "self_attn.key_layernorm"},
};

/// A Granite whose scores are scaled as everybody's are. Files from before it had these keys are not told apart.
void finish_minicpm(Config& config) {
  config.json["attention_multiplier"] = 1 / std::sqrt(static_cast<double>(config.head_dim()));
  for (const auto& [from, to] :
       {std::pair("embedding_scale", "embedding_multiplier"), std::pair("residual_scale", "residual_multiplier"),
        std::pair("logit_scale", "logits_scaling")}) {
    if (!config.has(from)) config.metadata.refuse(config.key(from), "a factor; convert the model with a newer tool");
    config.copy(from, to);
  }
}

void finish_mistral3(Config& config) {
  if (config.has("attention.temperature_scale")) {
    config.json["rope_scaling"]["llama_4_scaling_beta"] = config.number("attention.temperature_scale");
  }
}

void finish_mpt(Config& config) {
  const double bias = config.metadata.number_or(config.key("attention.max_alibi_bias"), 0);
  Json attention = {{"alibi", bias > 0}};
  if (bias > 0) attention["alibi_bias_max"] = bias;
  if (config.has("attention.clamp_kqv")) attention["clip_qkv"] = config.number("attention.clamp_kqv");
  config.json["attn_config"] = std::move(attention);
  const int64_t hidden = config.json["hidden_size"], wide = config.json.value("intermediate_size", 4 * hidden);
  if (wide % hidden != 0) config.metadata.refuse(config.key("feed_forward_length"), "a multiple of embedding_length");
  config.json["expansion_ratio"] = wide / hidden;
  erase(config, {"hidden_act", "intermediate_size"});
}
constexpr Name kMpt[] = {
    {"token_embd", "transformer.wte"}, {"output_norm", "transformer.norm_f"}, {"attn_norm", "norm_1"},
    {"attn_qkv", "attn.Wqkv"},         {"attn_output", "attn.out_proj"},      {"ffn_norm", "norm_2"},
    {"ffn_up", "ffn.up_proj"},         {"ffn_down", "ffn.down_proj"},
};

void finish_starcoder(Config& config) {
  config.json["multi_query"] = config.json["num_key_value_heads"] == 1;
  erase(config, {"attention_bias", "mlp_bias"});
}
constexpr Name kStarcoder[] = {
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

}  // namespace

std::span<const Architecture> decoders() {
  static const Architecture rows[] = {
      {.name = "apertus", .model_type = "apertus", .activation = "xielu", .names = kApertus, .finish = finish_apertus},
      {.name = "bitnet", .model_type = "bitnet", .names = kBitnet},
      {.name = "bloom",
       .model_type = "bloom",
       .norm_eps = "layer_norm_epsilon",
       .layers = "transformer.h.",
       .names = kBloom,
       .finish = finish_bloom,
       .unused = kSizesOfOldGpts},
      {.name = "chatglm", .model_type = "glm", .names = kChatGlm},
      {.name = "exaone", .model_type = "llama"},
      {.name = "hunyuan-dense", .model_type = "hunyuan_v1_dense", .names = kHunyuan},
      {.name = "internlm2", .model_type = "llama", .rotary_rows = true},
      {.name = "minicpm", .model_type = "granite", .rotary_rows = true, .finish = finish_minicpm},
      {.name = "mistral3", .model_type = "ministral3", .rotary_rows = true, .finish = finish_mistral3},
      {.name = "mpt",
       .model_type = "mpt",
       .norm_eps = "layer_norm_epsilon",
       .layers = "transformer.blocks.",
       .names = kMpt,
       .finish = finish_mpt,
       .unused = kSizesOfOldGpts},
      {.name = "starcoder",
       .model_type = "gpt_bigcode",
       .activation = "gelu_pytorch_tanh",
       .norm_eps = "layer_norm_epsilon",
       .layers = "transformer.h.",
       .names = kStarcoder,
       .finish = finish_starcoder,
       .unused = kSizesOfOldGpts},
  };
  return rows;
}

}  // namespace assay::gguf

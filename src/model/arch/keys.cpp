#include "model/arch/keys.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace assay {

namespace {

constexpr int64_t kMaxSize = int64_t{1} << 30;
constexpr size_t kMaxNotes = 50;

/// Training, generation, tokenizer, serialisation: no influence on logits of a plain forward pass.
constexpr auto kInert = std::to_array<std::string_view>({
    "add_cross_attention",
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_implementation",
    "attn_pdrop",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "compression_config",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dropout",
    "dtype",
    "early_stopping",
    "embd_pdrop",
    "embedding_dropout",
    "encoder_no_repeat_ngram_size",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "label2id",
    "length_penalty",
    "max_length",
    "max_window_layers",
    "min_length",
    "model_type",
    "mrope_section",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_logits_to_keep",
    "num_nextn_predict_layers",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "output_scores",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "pruned_heads",
    "quantization_config",
    "remove_invalid_values",
    "repetition_penalty",
    "resid_pdrop",
    "residual_dropout",
    "return_dict",
    "return_dict_in_generate",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
    "use_mrope",
    "vision_config",
});

/// Keys that change the maths of some architecture. Null, false, 0, [] and {} never matter; `neutral` is another value
/// that does not.
struct MathsKey {
  std::string_view name;
  std::optional<double> neutral = {};
};
constexpr auto kMaths = std::to_array<MathsKey>({
    {"alibi"},
    {"alibi_bias_max"},
    {"alpha", 1},
    {"altup_num_inputs", 1},
    {"attention_bias"},
    {"attention_chunk_size"},
    {"attention_in_multiplier", 1},
    {"attention_k_eq_v"},
    {"attention_multiplier"},
    {"attention_out_bias"},
    {"attention_out_multiplier", 1},
    {"attention_types"},
    {"attn_config"},
    {"attn_factor", 1},
    {"attn_logit_softcapping"},
    {"attn_scale"},
    {"attn_temperature_tuning"},
    {"bias"},
    {"clip_qkv"},
    {"decoder_sparse_step", 1},
    {"dim_model_base"},
    {"embedding_multiplier", 1},
    {"enable_moe_block"},
    {"final_logit_softcapping"},
    {"first_k_dense_replace"},
    {"floor_scale"},
    {"full_attention"},
    {"hidden_activation"},
    {"hidden_size_per_layer_input"},
    {"interleave_moe_layer_step"},
    {"key_multiplier", 1},
    {"kv_lora_rank"},
    {"layer_types"},
    {"llama_4_scaling_beta"},
    {"lm_head_bias"},
    {"lm_head_multiplier", 1},
    {"logit_scale", 1},
    {"logits_scaling", 1},
    {"long_factor"},
    {"long_mscale", 1},
    {"mlp_bias"},
    {"mlp_multipliers"},
    {"mlp_only_layers"},
    {"moe_num_experts"},
    {"multi_query"},
    {"n_routed_experts"},
    {"n_shared_experts"},
    {"no_rope_layer_interval"},
    {"no_rope_layers"},
    {"norm_topk_prob"},
    {"num_experts"},
    {"num_kv_shared_layers"},
    {"num_local_experts"},
    {"parallel_attn"},
    {"partial_rotary_factor", 1},
    {"per_layer_config"},
    {"position_embedding_type"},
    {"q_lora_rank"},
    {"qk_layernorm"},
    {"qk_norm"},
    {"qkv_bias"},
    {"query_pre_attn_scalar"},
    {"residual_multiplier", 1},
    {"rope_interleave"},
    {"rope_local_base_freq"},
    {"rotary_dim"},
    {"rotary_pct", 1},
    {"routed_scaling_factor", 1},
    {"scale_attn_by_inverse_layer_idx"},
    {"scale_depth"},
    {"scale_emb", 1},
    {"shared_expert_intermediate_size"},
    {"shared_intermediate_size"},
    {"short_factor"},
    {"short_mscale", 1},
    {"sliding_attention"},
    {"sliding_window"},
    {"sliding_window_pattern"},
    {"softmax_scale"},
    {"ssm_multipliers"},
    {"use_alibi"},
    {"use_bias"},
    {"use_bidirectional_attention"},
    {"use_parallel_residual"},
    {"use_qk_norm"},
    {"use_qkv_bias"},
    {"use_sliding_window"},
});

bool is_neutral(const MathsKey& key, const Json& value) {
  if (value.is_number()) {
    const double number = value.get<double>();
    return number == 0 || (key.neutral && number == *key.neutral);
  }
  if (value.is_boolean()) return !value.get<bool>();
  if (key.name == "layer_types" && value.is_array()) {
    return std::all_of(value.begin(), value.end(), [](const Json& type) { return type == "full_attention"; });
  }
  return value.is_null() || (value.is_structured() && value.empty()) ||
         (key.name == "position_embedding_type" && value == "rope");
}

}  // namespace

const JsonObject& Keys::asked(const char* key) {
  asked_.insert(key);
  return object_;
}

int64_t Keys::size(const char* key) {
  const int64_t value = asked(key).integer(key);
  if (value < 1 || value > kMaxSize) refuse(key, "a whole number from 1 to 2^30");
  return value;
}

int64_t Keys::size_or(const char* key, int64_t otherwise) {
  return has(key) ? size(key) : otherwise;
}

int64_t Keys::count_or(const char* key, int64_t otherwise) {
  if (has(key) && object_.integer(key) == 0) return 0;
  return size_or(key, otherwise);
}

double Keys::positive(const char* key) {
  const double value = asked(key).number(key);
  if (!(value > 0) || !std::isfinite(value)) refuse(key, "a number above 0");
  return value;
}

double Keys::positive_or(const char* key, double otherwise) {
  return has(key) ? positive(key) : otherwise;
}

double Keys::number_or(const char* key, double otherwise) {
  const double value = asked(key).number_or(key, otherwise);
  if (!std::isfinite(value)) refuse(key, "a finite number");
  return value;
}

bool Keys::boolean_or(const char* key, bool otherwise) {
  return asked(key).boolean_or(key, otherwise);
}

std::string Keys::string(const char* key) {
  return asked(key).string(key);
}

std::string Keys::string_or(const char* key, std::string otherwise) {
  return asked(key).string_or(key, std::move(otherwise));
}

std::vector<std::string> Keys::strings(const char* key) {
  return asked(key).strings(key);
}

std::vector<double> Keys::numbers(const char* key) {
  std::vector<double> out;
  const Json* list = asked(key).find(key);
  if (!list) return out;
  if (!list->is_array()) refuse(key, "a list of numbers");
  for (const Json& item : *list) {
    if (!item.is_number()) refuse(key, "a list of numbers");
    out.push_back(item.get<double>());
  }
  return out;
}

std::vector<int64_t> Keys::integers(const char* key) {
  std::vector<int64_t> out;
  for (const double number : numbers(key)) {
    if (!(std::abs(number) <= kMaxSize) || number != std::floor(number)) refuse(key, "a list of whole numbers");
    out.push_back(static_cast<int64_t>(number));
  }
  return out;
}

Keys* Keys::section(const char* key) {
  if (!has(key)) return nullptr;
  std::unique_ptr<Keys>& section = sections_[key];
  if (!section) section = std::make_unique<Keys>(object_.object(key));
  return section.get();
}

bool Keys::has(const char* key) {
  return asked(key).has(key);
}

void Keys::ignore(std::initializer_list<const char*> keys) {
  for (const char* key : keys) asked(key);
}

void Keys::check_unread(const std::string& architecture, std::vector<std::string>& notes) const {
  for (const auto& [name, section] : sections_) section->check_unread(architecture, notes);
  for (const auto& [name, value] : object_.json().items()) {
    if (asked_.contains(name)) continue;
    const auto* maths =
        std::find_if(kMaths.begin(), kMaths.end(), [&](const MathsKey& key) { return key.name == name; });
    if (maths != kMaths.end()) {
      if (is_neutral(*maths, value)) continue;
      fail(
          "{}: key \"{}\" changes what a model computes, and assay's \"{}\" does not implement it: found {}. If the "
          "model was made without it, set the key to null",
          where(), name, architecture, printable(value.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
    const bool inert = name.starts_with('_') || std::binary_search(kInert.begin(), kInert.end(), name);
    if (inert || notes.size() >= kMaxNotes) continue;
    notes.push_back(fmt::format("{}: key {} is not known to assay and was ignored", where(), printable(name)));
  }
}

}  // namespace assay

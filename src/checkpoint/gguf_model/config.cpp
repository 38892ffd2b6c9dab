#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/gguf_model/model.h"

namespace assay::gguf {

namespace {

/// The shortest decimal number that is this float32: what the config had, most likely.
double shortest(double value) {
  return std::stod(fmt::format("{}", static_cast<float>(value)));
}

/// Keys that change the maths of some architecture, and the number that leaves it as it is, beside 0.
constexpr std::pair<std::string_view, double> kMaths[] = {
    {"attention.clamp_kqv", 0},
    {"attention.key_length_mla", 0},
    {"attention.kv_lora_rank", 0},
    {"attention.max_alibi_bias", 0},
    {"attention.output_scale", 1},
    {"attention.q_lora_rank", 0},
    {"attention.scale", 0},
    {"attention.sliding_window", 0},
    {"attention.temperature_length", 0},
    {"attention.temperature_scale", 0},
    {"attention.value_length_mla", 0},
    {"attn_logit_softcapping", 0},
    {"embedding_scale", 1},
    {"expert_chunk_feed_forward_length", 0},
    {"expert_count", 0},
    {"expert_gating_func", 1},
    {"expert_group_count", 1},
    {"expert_group_scale", 1},
    {"expert_group_used_count", 1},
    {"expert_shared_count", 0},
    {"expert_shared_feed_forward_length", 0},
    {"expert_weights_norm", 0},
    {"expert_weights_scale", 1},
    {"final_logit_softcapping", 0},
    {"interleave_moe_layer_step", 1},
    {"leading_dense_block_count", 0},
    {"logit_scale", 1},
    {"moe_every_n_layers", 1},
    {"nextn_predict_layers", 0},
    {"residual_scale", 1},
    {"rope.freq_base_swa", 0},
    {"rope.scaling.yarn_ext_factor", 1},
    {"router_logit_softcapping", 0},
    {"swin_norm", 0},
};

}  // namespace

double share(int64_t part, int64_t whole) {
  const auto size = static_cast<double>(whole);
  double share = static_cast<double>(part) / size;
  while (std::floor(size * share) < static_cast<double>(part)) share = std::nextafter(share, 2.0);
  return share;
}

Config::Config(const GgufMetadata& metadata, const GgufTensors& tensors, const GgufRead& read,
               const Architecture& architecture)
    : metadata(metadata), tensors(tensors), json(Json::object()), read_(read), architecture_(architecture) {
  json["model_type"] = architecture.model_type;
  json["hidden_act"] = architecture.activation;
  add_sizes();
  if (architecture.has_attention) add_attention();
  if (architecture.has_attention && !architecture.own_rope) add_rope();
  if (architecture.finish) architecture.finish(*this);
  check_unread();
}

void Config::check_unread() const {
  if (!metadata.boolean_or(full_key("attention.causal"), true)) metadata.refuse(full_key("attention.causal"), "true");
  for (const auto& [name, neutral] : kMaths) {
    const auto* value = asked_.contains(name) ? nullptr : metadata.find(full_key(name));
    if (!value) continue;
    const bool of_layers = value->kind == GgufMetadata::Kind::array;
    const bool mark = (of_layers ? value->element : value->kind) == GgufMetadata::Kind::boolean;
    std::vector<double> numbers;
    if (mark) {
      for (const bool set : metadata.booleans(full_key(name))) numbers.push_back(set ? 1 : 0);
    } else {
      numbers = metadata.numbers(full_key(name));
    }
    if (std::ranges::all_of(numbers, [&](double number) { return number == 0 || number == neutral; })) continue;
    metadata.refuse(full_key(name),
                    fmt::format("{}: this key changes what the model computes, and assay does not apply "
                                "it to this architecture",
                                neutral));
  }
}

void Config::ignore(std::string_view name, const std::string& why) {
  const auto* value = metadata.find(key(name));
  if (value) notes.push_back(fmt::format("{} is ignored: {}", key(name), why));
}

std::string Config::key(std::string_view name) const {
  asked_.emplace(name);
  return full_key(name);
}

std::string Config::full_key(std::string_view name) const {
  return fmt::format("{}.{}", architecture_.name, name);
}

int64_t Config::same_in_all_layers(std::string_view name) const {
  const std::vector<int64_t> values = metadata.integers(key(name));
  if (values.empty()) metadata.refuse(key(name), "a number");
  if (!std::ranges::all_of(values, [&](int64_t value) { return value == values[0]; })) {
    metadata.refuse(key(name), "the same number for all layers; others are not supported for this architecture");
  }
  return values[0];
}

std::vector<int64_t> Config::of_layers(std::string_view name) const {
  std::vector<int64_t> values = metadata.integers(key(name));
  const auto count = static_cast<size_t>(layers());
  if (values.size() == 1) values.resize(count, values[0]);
  if (values.size() != count) metadata.refuse(key(name), fmt::format("a number, or one for each of {} layers", count));
  return values;
}

int64_t Config::common_to_layers(std::string_view name) const {
  if (architecture_.lists == Lists::uniform) return same_in_all_layers(name);
  const std::vector<int64_t> values = of_layers(name);
  const auto first = std::ranges::find_if(values, [](int64_t value) { return value != 0; });
  const int64_t common = first == values.end() ? 0 : *first;
  if (architecture_.lists == Lists::zeros &&
      !std::ranges::all_of(values, [&](int64_t value) { return value == common || value == 0; })) {
    metadata.refuse(key(name), "the same number for all layers that have one");
  }
  return common;
}

bool Config::stores(int64_t layer, std::string_view tensor) const {
  return stores(fmt::format("blk.{}.{}", layer, tensor));
}

bool Config::layers_store(std::string_view tensor) const {
  for (int64_t i = 0, count = layers(); i < count; ++i) {
    if (stores(i, tensor)) return true;
  }
  return false;
}

int64_t Config::layers() const {
  const int64_t layers = integer("block_count"), tensors_there = static_cast<int64_t>(tensors.size());
  if (layers < 1 || layers > tensors_there) {
    metadata.refuse(key("block_count"), fmt::format("1 to {}, the number of tensors", tensors_there));
  }
  return layers;
}

void Config::copy(std::string_view from, const char* to) {
  const auto* value = metadata.find(key(from));
  if (!value) return;
  const bool real = value->kind == GgufMetadata::Kind::f32 || value->kind == GgufMetadata::Kind::f64;
  if (real) {
    json[to] = shortest(number(from));
  } else {
    json[to] = metadata.json(key(from));
  }
}

double Config::shortest_or(std::string_view name, double otherwise) const {
  return has(name) ? shortest(number(name)) : otherwise;
}

void Config::rename(const char* from, const char* to) {
  if (!json.contains(from)) return;
  json[to] = json[from];
  json.erase(from);
}

std::vector<float> Config::vector(std::string_view tensor) const {
  const StoredTensor& stored = tensors.find(tensor)->second;
  if (stored.dtype != DType::F32 || stored.shape.size() != 1) {
    fail("{}: tensor {}: expected F32 [n], found {}", metadata.path().string(), stored.name, stored.describe());
  }
  const std::vector<std::byte> bytes = read_(stored);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

void Config::add_sizes() {
  const auto embedding = tensors.find("token_embd.weight");
  if (embedding == tensors.end()) fail("{}: tensor token_embd.weight is missing", metadata.path().string());
  json["vocab_size"] = embedding->second.shape.at(0);
  json["hidden_size"] = integer("embedding_length");
  json["num_hidden_layers"] = layers();
  if (has("feed_forward_length")) json["intermediate_size"] = common_to_layers("feed_forward_length");
  copy("context_length", "max_position_embeddings");
  for (const char* eps : {"attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon"}) {
    copy(eps, architecture_.norm_eps);
  }
  json["tie_word_embeddings"] = !stores("output.weight");
  if (layers_store("ffn_up.bias")) json["mlp_bias"] = true;
}

void Config::add_attention() {
  const int64_t heads = same_in_all_layers("attention.head_count");
  json["num_attention_heads"] = heads;
  json["num_key_value_heads"] = has("attention.head_count_kv") ? common_to_layers("attention.head_count_kv") : heads;
  if (heads < 1) metadata.refuse(key("attention.head_count"), "at least 1");
  if (architecture_.latent) {
    head_dim_ = integer("rope.dimension_count");  // of the part with positions
  } else {
    add_head_size(heads);
  }
  if (layers_store("attn_q.bias") || layers_store("attn_qkv.bias")) json["attention_bias"] = true;
}

void Config::add_head_size(int64_t heads) {
  head_dim_ = has("attention.key_length") ? integer("attention.key_length") : integer("embedding_length") / heads;
  if (has("attention.key_length")) json["head_dim"] = head_dim_;
  if (has("attention.value_length") && integer("attention.value_length") != head_dim_) {
    metadata.refuse(key("attention.value_length"), fmt::format("{}, as keys have", head_dim_));
  }
}

void Config::add_scalars(const std::string& key, const std::string& name) {
  const auto* value = metadata.find(key);
  const auto count = static_cast<uint64_t>(layers());
  if (!value || value->kind != GgufMetadata::Kind::array || value->element != GgufMetadata::Kind::f32 ||
      value->count != count) {
    metadata.refuse(key, fmt::format("{} float32 numbers, one for each layer", count));
  }
  for (uint64_t layer = 0; layer < count; ++layer) {
    StoredTensor scalar{fmt::format(fmt::runtime(name), layer), DType::F32, {1}};
    scalar.offset = value->offset + layer * sizeof(float);
    scalar.bytes = sizeof(float);
    scalar.big_endian = tensors.begin()->second.big_endian;
    made.emplace(scalar.name, scalar);
  }
}

void Config::add_rope() {
  json["rope_theta"] = shortest_or("rope.freq_base", 10000.0);
  const int64_t dims = metadata.integer_or(key("rope.dimension_count"), head_dim_);
  if (dims < 1 || dims > head_dim_) {
    metadata.refuse(key("rope.dimension_count"), fmt::format("1 to {}, the size of a head", head_dim_));
  }
  json["partial_rotary_factor"] = share(dims, head_dim_);
  add_rope_scaling();
}

void Config::add_rope_scaling() {
  Json scaling;
  const std::string type = metadata.string_or(key("rope.scaling.type"), "none");
  const double factor = shortest_or("rope.scaling.factor", metadata.number_or(key("rope.scale_linear"), 1));
  const double attention = shortest_or("rope.scaling.attn_factor", 1);
  if (stores("rope_factors_long.weight")) {
    scaling["rope_type"] = "longrope";
    scaling["long_factor"] = vector("rope_factors_long.weight");
    scaling["short_factor"] =
        vector(stores("rope_factors_short.weight") ? "rope_factors_short.weight" : "rope_factors_long.weight");
    scaling["attention_factor"] = attention;
    scaling["factor"] = factor;
  } else if (stores("rope_freqs.weight")) {
    // The divisors that "llama3" scaling comes to.
    scaling["rope_type"] = "longrope";
    scaling["long_factor"] = scaling["short_factor"] = vector("rope_freqs.weight");
    scaling["attention_factor"] = attention;
    scaling["factor"] = factor;
  } else if (type == "yarn") {
    scaling["rope_type"] = "yarn";
    scaling["factor"] = factor;
    if (has("rope.scaling.yarn_beta_fast")) scaling["beta_fast"] = number("rope.scaling.yarn_beta_fast");
    if (has("rope.scaling.yarn_beta_slow")) scaling["beta_slow"] = number("rope.scaling.yarn_beta_slow");
    if (const double all = metadata.number_or(key("rope.scaling.yarn_log_multiplier"), 0); all != 0) {
      // llama.cpp knows no other magnitude than 1, and of latent attention takes both for the same.
      scaling["mscale_all_dim"] = architecture_.latent ? shortest(all / 0.1) : shortest(all);
      scaling["mscale"] = architecture_.latent ? scaling["mscale_all_dim"] : Json(1.0);
    }
    if (has("rope.scaling.yarn_attn_factor")) {
      scaling["attention_factor"] = shortest(number("rope.scaling.yarn_attn_factor"));
    } else if (attention != 1) {
      scaling["attention_factor"] = attention * (factor > 1 ? 1 + 0.1 * std::log(factor) : 1);
    }
  } else if (factor != 1 && (type == "linear" || type == "none")) {
    scaling["rope_type"] = "linear";
    scaling["factor"] = factor;
  } else if (type != "none" && type != "linear" && type != "longrope") {
    metadata.refuse(key("rope.scaling.type"), "none, linear, yarn or longrope");
  }
  if (scaling.is_null()) return;
  const auto original = metadata.integer_or(key("rope.scaling.original_context_length"), 0);
  if (original > 0) scaling["original_max_position_embeddings"] = original;
  json["rope_scaling"] = std::move(scaling);
}

}  // namespace assay::gguf

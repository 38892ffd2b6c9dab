#include <cmath>
#include <nlohmann/json.hpp>

#include "forward/evaluate.h"
#include "model/config.h"
#include "support/gguf_writer.h"
#include "support/support.h"

// Hybrids, state spaces and models of several streams as llama.cpp's converter (of April 2026) writes them: what it
// does to the tensors of each is stated here once more, apart from the code that undoes it.
namespace assay {
namespace {

namespace fs = std::filesystem;

/// A tensor on its way into the file.
struct Plain {
  std::vector<uint64_t> shape;
  std::vector<float> values;

  uint64_t width() const { return values.size() / shape[0]; }
  Plain rows(uint64_t begin, uint64_t count) const {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(begin * width());
    Plain part{shape, {first, first + static_cast<std::ptrdiff_t>(count * width())}};
    part.shape[0] = count;
    return part;
  }
  void append(const Plain& other) {
    values.insert(values.end(), other.values.begin(), other.values.end());
    shape.empty() ? void(shape = other.shape) : void(shape[0] += other.shape[0]);
  }
  void multiply(double factor) {
    for (float& value : values) value *= static_cast<float>(factor);
  }
  /// [groups, members, size] rows as [members, groups, size].
  void swap_heads(uint64_t first, uint64_t groups, uint64_t members, uint64_t size) {
    const Plain old = *this;
    const uint64_t run = size * width();
    for (uint64_t g = 0; g < groups; ++g) {
      for (uint64_t m = 0; m < members; ++m) {
        std::copy_n(old.values.begin() + static_cast<std::ptrdiff_t>(first * width() + (g * members + m) * run), run,
                    values.begin() + static_cast<std::ptrdiff_t>(first * width() + (m * groups + g) * run));
      }
    }
  }
  void transpose() {
    const Plain old = *this;
    shape = {old.shape[1], old.shape[0]};
    for (uint64_t r = 0; r < old.shape[0]; ++r) {
      for (uint64_t c = 0; c < old.shape[1]; ++c) values[c * old.shape[0] + r] = old.values[r * old.shape[1] + c];
    }
  }
};

bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

/// What the converters share. `names` are pairs of a part of the Hugging Face name and what llama.cpp calls it.
class Converter {
 public:
  using Names = std::vector<std::pair<std::string, std::string>>;

  Converter(const Checkpoint& model, std::string architecture)
      : config(model.config()), model_(model), architecture_(std::move(architecture)) {
    writer.add("general.architecture", architecture_);
    for (const auto& [key, from] : {std::pair("block_count", "num_hidden_layers"),
                                    {"context_length", "max_position_embeddings"},
                                    {"embedding_length", "hidden_size"},
                                    {"attention.head_count", "num_attention_heads"}}) {
      if (config.contains(from)) integer(key, config.at(from).get<int64_t>());
    }
    for (const char* eps : {"rms_norm_eps", "norm_eps", "layer_norm_epsilon"}) {
      if (config.contains(eps)) real("attention.layer_norm_rms_epsilon", config.at(eps).get<double>());
    }
  }

  void integer(const std::string& key, int64_t value) {
    writer.add(architecture_ + "." + key, static_cast<uint32_t>(value));
  }
  void real(const std::string& key, double value) { writer.add(architecture_ + "." + key, static_cast<float>(value)); }
  template <class T>
  void add(const std::string& key, const T& value) {
    writer.add(architecture_ + "." + key, value);
  }
  int64_t of(const char* key) const { return config.at(key).get<int64_t>(); }
  void attention(const char* head_dim = "head_dim") {
    integer("attention.key_length", of(head_dim));
    integer("attention.value_length", of(head_dim));
  }
  /// 0 for layers of another type.
  void kv_heads_of(const std::string& type) {
    std::vector<int32_t> heads;
    for (const auto& layer : config.at("layer_types")) {
      heads.push_back(layer == type ? static_cast<int32_t>(of("num_key_value_heads")) : 0);
    }
    add("attention.head_count_kv", heads);
  }

  /// "model.layers.2.mlp.gate_proj.weight" as "blk.2.ffn_gate.weight".
  std::string renamed(std::string name, const Names& names) const {
    std::string layer;
    for (const std::string prefix : {"model.layers.", "backbone.layers."}) {
      if (!name.starts_with(prefix)) continue;
      const size_t end = name.find('.', prefix.size());
      layer = "blk." + name.substr(prefix.size(), end - prefix.size()) + ".";
      name.erase(0, end + 1);
    }
    for (const auto& [from, to] : names) {
      if (name == from || name.starts_with(from + ".")) return layer + to + name.substr(from.size());
    }
    ADD_FAILURE() << name << " has no name in GGUF";
    return name;
  }

  /// Writes every tensor that `change` does not write itself. It may also change names.
  void tensors(const Names& names, const std::function<bool(std::string&, Plain&)>& change) {
    for (const auto& [stored, tensor] : model_.tensors()) {
      std::string name = stored;
      Plain plain{{tensor.shape.begin(), tensor.shape.end()}, read_floats(model_, tensor)};
      if (!change(name, plain)) write(renamed(name, names), plain);
    }
  }
  void write(const std::string& name, const Plain& plain) { writer.tensor(name, plain.shape, plain.values); }

  const Json& config;
  test::GgufWriter writer;

 private:
  const Checkpoint& model_;
  std::string architecture_;
};

/// A = -exp(A_log), kernels without their middle, and "dt_bias" as a bias.
void change_state_space(std::string& name, Plain& plain, bool columns) {
  if (has(name, "A_log")) {
    for (float& value : plain.values) value = -std::exp(value);
  }
  if (columns && (name.ends_with("A_log") || name.ends_with(".D"))) plain.shape.push_back(1);
  if (name.ends_with("conv1d.weight")) plain.shape = {plain.shape[0], plain.shape[2]};
  if (name.ends_with(".dt_bias")) name.replace(name.size() - 8, 8, ".dt_proj.bias");
}

/// Experts stacked, or gate_up_proj as two stacks.
bool split_stacks(Converter& to, const std::string& name, const Plain& plain) {
  if (!name.ends_with("experts.gate_up_proj")) return false;
  const uint64_t experts = plain.shape[0], wide = plain.shape[1] / 2, in = plain.shape[2];
  Plain gate, up;
  for (uint64_t e = 0; e < experts; ++e) {
    const Plain both{{2 * wide, in}, plain.rows(e, 1).values};
    gate.append(both.rows(0, wide));
    up.append(both.rows(wide, wide));
  }
  gate.shape = up.shape = {experts, wide, in};
  const std::string layer = to.renamed(name, {{"mlp.experts.gate_up_proj", ""}});
  to.write(layer + "ffn_gate_exps.weight", gate);
  to.write(layer + "ffn_up_exps.weight", up);
  return true;
}

/// Experts that stand alone are gathered until all of a layer are there.
class Experts {
 public:
  bool take(Converter& to, const std::string& name, const Plain& plain, int64_t count) {
    const size_t at = name.find("experts.");
    if (at == std::string::npos || name.find_first_of("0123456789", at) != at + 8) return false;
    const size_t end = name.find('.', at + 8);
    const std::string part = name.substr(end + 1, name.find('_', end) - end - 1);
    auto& stack = stacks_[to.renamed(name.substr(0, at - 4) + "mlp", {{"mlp", "ffn_"}}) + part + "_exps.weight"];
    stack[std::stoi(name.substr(at + 8))] = plain;
    if (static_cast<int64_t>(stack.size()) < count) return true;
    Plain all;
    for (const auto& [index, expert] : stack) all.append(expert);
    all.shape = {stack.size(), plain.shape[0], plain.shape[1]};
    to.write(to.renamed(name.substr(0, at - 4) + "mlp", {{"mlp", "ffn_"}}) + part + "_exps.weight", all);
    return true;
  }

 private:
  std::map<std::string, std::map<int, Plain>> stacks_;
};

const Converter::Names kAttention = {
    {"model.embed_tokens", "token_embd"}, {"lm_head", "output"},
    {"self_attn.q_proj", "attn_q"},       {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},       {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},  {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"},        {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},        {"input_layernorm", "attn_norm"},
    {"mlp.gate", "ffn_gate_inp"},         {"mlp.experts.down_proj", "ffn_down_exps.weight"},
};
Converter::Names with_attention(Converter::Names names) {
  names.insert(names.end(), kAttention.begin(), kAttention.end());
  return names;
}

/// Qwen3-Next, and where `tiled` Qwen3.5, whose value heads are laid out for broadcasting.
test::GgufWriter qwen(const Checkpoint& model, const std::string& architecture, bool tiled) {
  Converter to(model, architecture);
  const Json& config = to.config;
  const auto groups = static_cast<uint64_t>(to.of("linear_num_key_heads")), values = groups;
  const auto heads = static_cast<uint64_t>(to.of("linear_num_value_heads")), members = heads / values;
  const auto k = static_cast<uint64_t>(to.of("linear_key_head_dim"));
  const auto v = static_cast<uint64_t>(to.of("linear_value_head_dim"));
  to.attention();
  to.integer("attention.head_count_kv", to.of("num_key_value_heads"));
  to.real("rope.freq_base", config["rope_parameters"]["rope_theta"]);
  to.integer("rope.dimension_count", std::llround(to.of("head_dim") * config["partial_rotary_factor"].get<double>()));
  to.integer("ssm.conv_kernel", to.of("linear_conv_kernel_dim"));
  to.integer("ssm.state_size", to.of("linear_key_head_dim"));
  to.integer("ssm.group_count", to.of("linear_num_key_heads"));
  to.integer("ssm.time_step_rank", to.of("linear_num_value_heads"));
  to.integer("ssm.inner_size", static_cast<int64_t>(heads * v));
  to.integer("full_attention_interval", 4);
  if (config.contains("intermediate_size")) to.integer("feed_forward_length", to.of("intermediate_size"));
  if (config.contains("num_experts")) {
    to.integer("expert_count", to.of("num_experts"));
    to.integer("expert_used_count", to.of("num_experts_per_tok"));
    to.integer("expert_feed_forward_length", to.of("moe_intermediate_size"));
    to.integer("expert_shared_feed_forward_length", to.of("shared_expert_intermediate_size"));
  }
  Experts experts;
  to.tensors(with_attention({{"model.norm", "output_norm"},
                             {"post_attention_layernorm", "post_attention_norm"},
                             {"linear_attn.in_proj_qkv", "attn_qkv"},
                             {"linear_attn.in_proj_z", "attn_gate"},
                             {"linear_attn.in_proj_ba", "ssm_ba"},
                             {"linear_attn.in_proj_a", "ssm_alpha"},
                             {"linear_attn.in_proj_b", "ssm_beta"},
                             {"linear_attn.conv1d", "ssm_conv1d"},
                             {"linear_attn.dt_proj", "ssm_dt"},
                             {"linear_attn.A_log", "ssm_a"},
                             {"linear_attn.norm", "ssm_norm"},
                             {"linear_attn.out_proj", "ssm_out"},
                             {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
                             {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
                             {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
                             {"mlp.shared_expert_gate", "ffn_gate_inp_shexp"}}),
             [&](std::string& name, Plain& plain) {
               if (split_stacks(to, name, plain)) return true;
               if (config.contains("num_experts") && experts.take(to, name, plain, to.of("num_experts"))) return true;
               change_state_space(name, plain, false);
               if (name.ends_with("norm.weight") && !has(name, "linear_attn.norm")) {
                 for (float& value : plain.values) value += 1;
               }
               if (has(name, "in_proj_qkvz")) {
                 Plain all_q, all_k, all_v, all_z;
                 for (uint64_t g = 0; g < groups; ++g) {
                   uint64_t row = g * (2 * k + 2 * members * v);
                   for (const auto& [part, count] :
                        {std::pair(&all_q, k), {&all_k, k}, {&all_v, members * v}, {&all_z, members * v}}) {
                     part->append(plain.rows(row, count));
                     row += count;
                   }
                 }
                 all_q.append(all_k);
                 all_q.append(all_v);
                 to.write(to.renamed(name, {{"linear_attn.in_proj_qkvz", "attn_qkv"}}), all_q);
                 to.write(to.renamed(name, {{"linear_attn.in_proj_qkvz", "attn_gate"}}), all_z);
                 return true;
               }
               if (!tiled || !has(name, "linear_attn.")) return false;
               if (has(name, "in_proj_qkv") || has(name, "conv1d"))
                 plain.swap_heads(2 * groups * k, groups, members, v);
               if (has(name, "in_proj_z")) plain.swap_heads(0, groups, members, v);
               for (const char* one : {"in_proj_a", "in_proj_b", "A_log", "dt_proj"}) {
                 if (has(name, one)) plain.swap_heads(0, groups, members, 1);
               }
               if (has(name, "out_proj")) {
                 plain.transpose();
                 plain.swap_heads(0, groups, members, v);
                 plain.transpose();
               }
               return false;
             });
  return std::move(to.writer);
}

const Converter::Names kGemmaStreams = {
    {"model.norm", "output_norm"},
    {"model.embed_tokens_per_layer", "per_layer_token_embd"},
    {"model.per_layer_model_projection", "per_layer_model_proj"},
    {"model.per_layer_projection_norm", "per_layer_proj_norm"},
    {"per_layer_input_gate", "inp_gate"},
    {"per_layer_projection", "proj"},
    {"post_per_layer_input_norm", "post_norm"},
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
};

void add_gemma_keys(Converter& to) {
  const Json& config = to.config;
  to.real("rope.freq_base", config["rope_parameters"]["full_attention"]["rope_theta"]);
  to.real("rope.freq_base_swa", config["rope_parameters"]["sliding_attention"]["rope_theta"]);
  to.real("final_logit_softcapping", config["final_logit_softcapping"]);
  to.integer("attention.sliding_window", to.of("sliding_window"));
  to.integer("attention.shared_kv_layers", to.of("num_kv_shared_layers"));
  to.integer("embedding_length_per_layer_input", to.of("hidden_size_per_layer_input"));
  std::vector<bool> slides;
  for (const auto& type : config["layer_types"]) slides.push_back(type == "sliding_attention");
  to.add("attention.sliding_window_pattern", slides);
}

/// Streams' projections are stacked.
test::GgufWriter gemma3n(const Checkpoint& model) {
  Converter to(model, "gemma3n");
  add_gemma_keys(to);
  to.attention();
  to.integer("attention.head_count_kv", to.of("num_key_value_heads"));
  to.add("feed_forward_length", to.config["intermediate_size"].get<std::vector<int32_t>>());
  to.integer("altup.active_idx", to.of("altup_active_idx"));
  to.integer("altup.num_inputs", to.of("altup_num_inputs"));
  // Quantiles of the normal distribution for shares of 0.9, 0 and 0.5.
  const std::map<double, float> quantiles = {{0.9, 1.2815515f}, {0.5, 0.0f}, {0, -INFINITY}};
  std::vector<float> scales;
  for (const auto& share : to.config["activation_sparsity_pattern"])
    scales.push_back(quantiles.at(share.get<double>()));
  to.add("activation_sparsity_scale", scales);
  std::map<std::string, Plain> stacks;
  Converter::Names names = with_attention(kGemmaStreams);
  for (const auto& [from, name] : {std::pair("altup.modality_router", "altup_router"),
                                   {"altup.router_norm", "altup_router_norm"},
                                   {"altup.prediction_coefs", "altup_predict_coef"},
                                   {"altup.correction_coefs", "altup_correct_coef"},
                                   {"altup.correct_output_scale", "altup_correct_scale.weight"},
                                   {"laurel.linear_left", "laurel_l"},
                                   {"laurel.linear_right", "laurel_r"},
                                   {"laurel.post_laurel_norm", "laurel_post_norm"}}) {
    names.emplace_back(from, name);
  }
  to.tensors(names, [&](std::string& name, Plain& plain) {
    for (const auto& [part, stacked] : {std::pair("altup_projections.", "altup_proj.weight"),
                                        {"altup_unembed_projections.", "altup_unembd_proj.weight"}}) {
      if (!has(name, part)) continue;
      Plain& stack = stacks[stacked];
      stack.append({{1, plain.shape[0], plain.shape[1]}, plain.values});
      if (stack.shape[0] + 1 == static_cast<uint64_t>(to.of("altup_num_inputs"))) to.write(stacked, stack);
      return true;
    }
    return false;
  });
  return std::move(to.writer);
}

/// Full layers have sizes of their own, and divisors for the pairs that do not rotate.
test::GgufWriter gemma4(const Checkpoint& model) {
  Converter to(model, "gemma4");
  const Json& config = to.config;
  add_gemma_keys(to);
  const bool experts = config["enable_moe_block"];
  const auto full_dim = config["per_layer_config"]["1"]["head_dim"].get<int64_t>();
  for (const char* size : {"attention.key_length", "attention.value_length", "rope.dimension_count"}) {
    to.integer(size, full_dim);
  }
  for (const char* size : {"attention.key_length_swa", "attention.value_length_swa", "rope.dimension_count_swa"}) {
    to.integer(size, to.of("head_dim"));
  }
  std::vector<int32_t> kv_heads, widths;
  for (int64_t i = 0; i < to.of("num_hidden_layers"); ++i) {
    const Json& own = config["per_layer_config"].value(std::to_string(i), Json::object());
    kv_heads.push_back(own.value("num_key_value_heads", config["num_key_value_heads"].get<int32_t>()));
    const bool shared = i >= to.of("num_hidden_layers") - to.of("num_kv_shared_layers");
    widths.push_back(static_cast<int32_t>(to.of("intermediate_size")) * (shared ? 2 : 1));
  }
  to.add("attention.head_count_kv", kv_heads);
  to.add("feed_forward_length", widths);
  if (experts) {
    to.integer("expert_count", to.of("num_experts"));
    to.integer("expert_used_count", to.of("top_k_experts"));
    to.integer("expert_feed_forward_length", to.of("moe_intermediate_size"));
  }
  Plain divisors{{static_cast<uint64_t>(full_dim / 2)}, std::vector<float>(static_cast<size_t>(full_dim / 2), 1e30f)};
  const double share = config["rope_parameters"]["full_attention"]["partial_rotary_factor"];
  std::fill_n(divisors.values.begin(), std::llround(share * static_cast<double>(full_dim / 2)), 1.0f);
  to.write("rope_freqs.weight", divisors);
  Converter::Names names = with_attention(kGemmaStreams);
  for (const auto& [from, name] : {std::pair("layer_scalar", "layer_output_scale.weight"),
                                   {"post_feedforward_layernorm_1", "post_ffw_norm_1"},
                                   {"post_feedforward_layernorm_2", "post_ffw_norm_2"},
                                   {"pre_feedforward_layernorm_2", "pre_ffw_norm_2"},
                                   {"router.proj", "ffn_gate_inp"},
                                   {"router.scale", "ffn_gate_inp.scale"},
                                   {"router.per_expert_scale", "ffn_down_exps.scale"},
                                   {"experts.gate_up_proj", "ffn_gate_up_exps.weight"},
                                   {"experts.down_proj", "ffn_down_exps.weight"}}) {
    names.emplace_back(from, name);
  }
  to.tensors(names, [](std::string&, Plain&) { return false; });
  return std::move(to.writer);
}

/// The last norm stands where others have one of the embedding.
test::GgufWriter lfm2(const Checkpoint& model) {
  Converter to(model, "lfm2");
  to.kv_heads_of("full_attention");
  to.real("rope.freq_base", to.config["rope_parameters"]["rope_theta"]);
  to.integer("shortconv.l_cache", to.of("conv_L_cache"));
  const int64_t multiple = to.of("block_multiple_of"), size = 2 * to.of("intermediate_size") / 3;
  to.integer("feed_forward_length", (size + multiple - 1) / multiple * multiple);
  to.tensors({{"model.embed_tokens", "token_embd"},
              {"model.embedding_norm", "token_embd_norm"},
              {"operator_norm", "attn_norm"},
              {"ffn_norm", "ffn_norm"},
              {"self_attn.q_proj", "attn_q"},
              {"self_attn.k_proj", "attn_k"},
              {"self_attn.v_proj", "attn_v"},
              {"self_attn.out_proj", "attn_output"},
              {"self_attn.q_layernorm", "attn_q_norm"},
              {"self_attn.k_layernorm", "attn_k_norm"},
              {"feed_forward.w1", "ffn_gate"},
              {"feed_forward.w2", "ffn_down"},
              {"feed_forward.w3", "ffn_up"},
              {"conv.conv", "shortconv.conv"},
              {"conv.in_proj", "shortconv.in_proj"},
              {"conv.out_proj", "shortconv.out_proj"}},
             [](std::string& name, Plain& plain) {
               if (has(name, "conv.conv")) plain.shape = {plain.shape[0], plain.shape[2]};
               return false;
             });
  return std::move(to.writer);
}

const Converter::Names kMambaOfHybrid = {
    {"mamba.in_proj", "ssm_in"}, {"mamba.conv1d", "ssm_conv1d"}, {"mamba.dt_proj", "ssm_dt"},  {"mamba.A_log", "ssm_a"},
    {"mamba.D", "ssm_d"},        {"mamba.norm", "ssm_norm"},     {"mamba.out_proj", "ssm_out"}};

void add_mamba2_keys(Converter& to, int64_t width, const char* heads, const char* groups, const char* states,
                     const char* kernel) {
  to.integer("ssm.conv_kernel", to.of(kernel));
  to.integer("ssm.state_size", to.of(states));
  to.integer("ssm.group_count", to.of(groups));
  to.integer("ssm.inner_size", width);
  to.integer("ssm.time_step_rank", to.of(heads));
}
void group_norm(const Converter& to, const std::string& name, Plain& plain, const char* groups, const char* norm) {
  const auto parts = static_cast<uint64_t>(to.of(groups));
  if (has(name, norm)) plain.shape = {parts, plain.values.size() / parts};
}

/// As Llama's, q and k have rotating pairs side by side; gates and ups of fused MLPs stand apart.
test::GgufWriter granitehybrid(const Checkpoint& model) {
  Converter to(model, "granitehybrid");
  const Json& config = to.config;
  to.kv_heads_of("full_attention");
  add_mamba2_keys(to, 2 * to.of("hidden_size"), "mamba_n_heads", "mamba_n_groups", "mamba_d_state", "mamba_d_conv");
  to.real("rope.freq_base", config["rope_parameters"]["rope_theta"]);
  to.add("rope.scaling.finetuned", config["position_embedding_type"] == "rope");
  to.real("attention.scale", config["attention_multiplier"]);
  to.real("embedding_scale", config["embedding_multiplier"]);
  to.real("residual_scale", config["residual_multiplier"]);
  to.real("logit_scale", config["logits_scaling"]);
  const bool experts = to.of("num_local_experts") > 0;
  to.integer("expert_count", to.of("num_local_experts"));
  to.integer("expert_used_count", to.of("num_experts_per_tok"));
  to.integer("feed_forward_length", to.of("intermediate_size"));
  to.integer("expert_shared_feed_forward_length", to.of("shared_intermediate_size"));
  Converter::Names names = with_attention(kMambaOfHybrid);
  names.insert(names.end(), {{"model.norm", "output_norm"},
                             {"post_attention_layernorm", "ffn_norm"},
                             {"block_sparse_moe.router.layer", "ffn_gate_inp"},
                             {"block_sparse_moe.output_linear", "ffn_down_exps"},
                             {"shared_mlp.output_linear", experts ? "ffn_down_shexp" : "ffn_down"}});
  to.tensors(names, [&](std::string& name, Plain& plain) {
    change_state_space(name, plain, true);
    group_norm(to, name, plain, "mamba_n_groups", "mamba.norm");
    const bool keys = has(name, "k_proj");
    if (keys || has(name, "q_proj")) {
      const auto heads = static_cast<uint64_t>(to.of(keys ? "num_key_value_heads" : "num_attention_heads"));
      const uint64_t half = plain.shape[0] / heads / 2;
      for (uint64_t h = 0; h < heads; ++h) plain.swap_heads(2 * half * h, 2, half, 1);
    }
    if (!has(name, "input_linear")) return false;
    const bool stack = has(name, "block_sparse_moe");
    if (stack) {
      split_stacks(to, name.substr(0, name.find("block_sparse_moe")) + "mlp.experts.gate_up_proj", plain);
      return true;
    }
    const std::string tail = experts ? "_shexp" : "";
    const uint64_t half = plain.shape[0] / 2;
    to.write(to.renamed(name, {{"shared_mlp.input_linear", "ffn_gate" + tail}}), plain.rows(0, half));
    to.write(to.renamed(name, {{"shared_mlp.input_linear", "ffn_up" + tail}}), plain.rows(half, half));
    return true;
  });
  return std::move(to.writer);
}

/// All factors are multiplied into the weights.
test::GgufWriter falcon_h1(const Checkpoint& model) {
  Converter to(model, "falcon-h1");
  const Json& config = to.config;
  to.attention();
  to.integer("attention.head_count_kv", to.of("num_key_value_heads"));
  to.integer("feed_forward_length", to.of("intermediate_size"));
  to.real("rope.freq_base", config["rope_parameters"]["rope_theta"]);
  add_mamba2_keys(to, to.of("mamba_d_ssm"), "mamba_n_heads", "mamba_n_groups", "mamba_d_state", "mamba_d_conv");
  Converter::Names names = with_attention(kMambaOfHybrid);
  // The converter's table has this one norm with its suffix, so that it loses it.
  names.insert(names.begin(), {"pre_ff_layernorm.weight", "ffn_norm"});
  names.insert(names.end(), {{"model.final_layernorm", "output_norm"},
                             {"feed_forward.gate_proj", "ffn_gate"},
                             {"feed_forward.up_proj", "ffn_up"},
                             {"feed_forward.down_proj", "ffn_down"}});
  const auto factor = [&](const char* key) { return config.at(key).get<double>(); };
  to.tensors(names, [&](std::string& name, Plain& plain) {
    change_state_space(name, plain, true);
    group_norm(to, name, plain, "mamba_n_groups", "mamba.norm");
    if (has(name, "down_proj")) plain.multiply(config["mlp_multipliers"][1]);
    if (has(name, "gate_proj")) plain.multiply(config["mlp_multipliers"][0]);
    if (has(name, "k_proj")) plain.multiply(factor("key_multiplier"));
    if (has(name, "q_proj") || has(name, "k_proj") || has(name, "v_proj")) {
      plain.multiply(factor("attention_in_multiplier"));
    }
    if (has(name, "o_proj")) plain.multiply(factor("attention_out_multiplier"));
    if (has(name, "out_proj")) plain.multiply(factor("ssm_out_multiplier"));
    if (has(name, "lm_head")) plain.multiply(factor("lm_head_multiplier"));
    if (has(name, "embed_tokens")) plain.multiply(factor("embedding_multiplier"));
    if (has(name, "in_proj")) {
      const int64_t width = to.of("mamba_d_ssm"), state = to.of("mamba_n_groups") * to.of("mamba_d_state");
      const Plain all = plain;
      plain = {};
      uint64_t row = 0;
      const int64_t sizes[] = {width, width, state, state, to.of("mamba_n_heads")};
      for (size_t i = 0; i < 5; ++i) {
        Plain part = all.rows(row, static_cast<uint64_t>(sizes[i]));
        part.multiply(factor("ssm_in_multiplier"));
        part.multiply(config["ssm_multipliers"][i]);
        plain.append(part);
        row += static_cast<uint64_t>(sizes[i]);
      }
    }
    return false;
  });
  return std::move(to.writer);
}

const Converter::Names kMixer = {{"backbone.embeddings", "token_embd"},
                                 {"backbone.norm_f", "output_norm"},
                                 {"lm_head", "output"},
                                 {"norm", "attn_norm"},
                                 {"mixer.in_proj", "ssm_in"},
                                 {"mixer.conv1d", "ssm_conv1d"},
                                 {"mixer.x_proj", "ssm_x"},
                                 {"mixer.dt_proj", "ssm_dt"},
                                 {"mixer.A_log", "ssm_a"},
                                 {"mixer.D", "ssm_d"},
                                 {"mixer.norm", "ssm_norm"},
                                 {"mixer.out_proj", "ssm_out"}};

/// Keys that mean nothing here are written as 0.
void add_idle_keys(Converter& to) {
  to.integer("context_length", 1 << 20);
  to.integer("feed_forward_length", 0);
  to.integer("attention.head_count", 0);
}

test::GgufWriter mamba(const Checkpoint& model) {
  Converter to(model, "mamba");
  add_idle_keys(to);
  to.integer("ssm.conv_kernel", to.of("conv_kernel"));
  to.integer("ssm.inner_size", to.of("intermediate_size"));
  to.integer("ssm.state_size", to.of("state_size"));
  to.integer("ssm.time_step_rank", to.of("time_step_rank"));
  to.add("ssm.dt_b_c_rms", false);
  to.tensors(kMixer, [](std::string& name, Plain& plain) {
    change_state_space(name, plain, false);
    return has(name, "lm_head");  // the same as the embedding
  });
  return std::move(to.writer);
}

test::GgufWriter mamba2(const Checkpoint& model) {
  Converter to(model, "mamba2");
  add_idle_keys(to);
  add_mamba2_keys(to, 2 * to.of("hidden_size"), "num_heads", "n_groups", "state_size", "conv_kernel");
  to.tensors(kMixer, [&](std::string& name, Plain& plain) {
    change_state_space(name, plain, true);
    group_norm(to, name, plain, "n_groups", "mixer.norm");
    return false;
  });
  return std::move(to.writer);
}

struct Case {
  const char* fixture;
  test::GgufWriter (*convert)(const Checkpoint&);
  bool exact;  // nothing is rounded on the way
};

const Case kCases[] = {
    {"qwen3_next", [](const Checkpoint& model) { return qwen(model, "qwen3next", false); }, false},
    {"qwen3_5_text", [](const Checkpoint& model) { return qwen(model, "qwen35", true); }, false},
    {"qwen3_5_moe_text", [](const Checkpoint& model) { return qwen(model, "qwen35moe", true); }, false},
    {"gemma3n_text", gemma3n, false},
    {"gemma4_text", gemma4, true},
    {"gemma4_text_moe", gemma4, true},
    {"lfm2", lfm2, true},
    {"granitemoehybrid", granitehybrid, false},
    {"granitemoehybrid_nope", granitehybrid, false},
    {"falcon_h1", falcon_h1, false},
    {"mamba", mamba, false},
    {"mamba2", mamba2, false},
};

class GgufHybrid : public testing::TestWithParam<Case> {};

TEST_P(GgufHybrid, GivesTheLogitsOfTheSafetensorsThatItWasMadeFrom) {
  ASSAY_REQUIRE_FIXTURES();
  const fs::path folder = test::fixtures() / "architectures" / GetParam().fixture;
  const Checkpoint base = Checkpoint::open(folder);
  const test::TempDir dir;
  GetParam().convert(base).save(dir / "m.gguf");
  const Checkpoint converted = Checkpoint::open(dir / "m.gguf");
  const Json expected = read_json(folder / "expected.json");
  const auto rows = expected.at("input_ids").get<std::vector<std::vector<int32_t>>>();

  ThreadPool pool(2);
  const auto device = open_device("cpu", pool);
  const auto logits = [&](const Checkpoint& checkpoint) {
    const QuantConfig quant = QuantConfig::of(checkpoint);
    const ModelSpec spec = read_model_spec(checkpoint);
    EXPECT_EQ(spec.notes, std::vector<std::string>{});
    return trace(*device, {&checkpoint, &quant, &spec}, rows[0], {}).logits;
  };
  const std::vector<float> ours = logits(converted), theirs = logits(base);
  ASSERT_EQ(ours.size(), theirs.size());
  if (GetParam().exact) {
    EXPECT_EQ(ours, theirs);
    return;
  }
  // exp() and log() of a decay, and factors multiplied into weights, round numbers of the model by a unit or two in the
  // last place, as every operation of a float32 pass does many times over: what that comes to was measured.
  const double tolerance = std::max(1e-5, 2 * expected.at("float32_noise_max_abs").get<double>());
  for (size_t i = 0; i < ours.size(); ++i) ASSERT_NEAR(ours[i], theirs[i], tolerance) << i;
}

INSTANTIATE_TEST_SUITE_P(Fixtures, GgufHybrid, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.fixture); });

}  // namespace
}  // namespace assay

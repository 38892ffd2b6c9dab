#include "model/arch/deepseek.h"

#include <fmt/core.h>

#include <cmath>

#include "model/rope.h"

namespace assay {

namespace {

/// Whatever rms_norm_eps is.
constexpr double kLatentNormEps = 1e-6;

void read_shared_experts(Keys& keys, const char* key, int64_t otherwise, MoeShape& shape) {
  const int64_t shared = keys.count_or(key, otherwise);
  if (shared > (int64_t{1} << 30) / shape.intermediate) keys.refuse(key, "fewer");
  shape.shared_intermediate = shared * shape.intermediate;
}

void read_mixture(Keys& keys, const DeepseekDefaults& defaults, Deepseek& deepseek) {
  deepseek.mixtures.assign(static_cast<size_t>(deepseek.decoder.layers), false);
  if (!keys.has("n_routed_experts") && !keys.has("num_local_experts")) return;
  MoeShape& shape = deepseek.moe;
  shape = read_moe(keys, "n_routed_experts", "moe_intermediate_size");
  shape.routing.scale = keys.positive_or("routed_scaling_factor", defaults.routed_scale);
  read_shared_experts(keys, "n_shared_experts", 0, shape);
  const int64_t first = keys.count_or("first_k_dense_replace", defaults.first_mixture);
  const int64_t step = keys.size_or("moe_layer_freq", 1);
  deepseek.mixtures = read_mlp_layer_types(keys, deepseek.decoder.layers,
                                           [&](int64_t layer) { return layer >= first && layer % step == 0; });
}

/// The scores' own factor makes up for that of yarn, which the unrotated components do not get.
double score_scale(const Deepseek& deepseek) {
  const RopeSpec& rope = deepseek.decoder.ropes.at(0);
  const double plain = 1 / std::sqrt(static_cast<double>(deepseek.nope_dim + deepseek.rope_dim));
  if (rope.type != RopeSpec::Type::yarn || rope.mscale_all_dim.value_or(0) == 0) return plain;
  const double magnitude = yarn_magnitude(rope, *rope.mscale_all_dim);
  return plain * magnitude * magnitude;
}

/// k and v from the latent state: side by side for each head, or as llama.cpp's converter leaves them, apart and k's
/// matrix of every head transposed.
void read_latent_kv(const Source& source, const Deepseek& deepseek, const std::string& module, LatentAttentionSpec& a) {
  const int64_t nope = deepseek.nope_dim, value = deepseek.value_dim, stride = nope + value;
  const int64_t heads = deepseek.decoder.heads, rank = deepseek.kv_rank;
  const std::string both = module + ".kv_b_proj", k = module + ".k_b_proj", v = module + ".v_b_proj";
  if (source.has_module(source.stored(k))) {
    a.k_b = source.linear(k, heads * nope, rank);
    a.k_b.stack_rows = nope;
    a.v_b = source.linear(v, heads * value, rank);
    return;
  }
  const Rows of_k{.stored = heads * stride, .run = nope, .stride = stride};
  const Rows of_v{.stored = heads * stride, .first = nope, .run = value, .stride = stride};
  a.k_b = source.linear_part(both, of_k, k, heads * nope, rank);
  a.v_b = source.linear_part(both, of_v, v, heads * value, rank);
}

LatentAttentionSpec latent_attention(const Source& source, const Deepseek& deepseek, int64_t layer) {
  const Decoder& d = deepseek.decoder;
  const std::string module = layer_name(d, layer, d.names.attention);
  const int64_t head = deepseek.nope_dim + deepseek.rope_dim;
  const NormStyle norm{.eps = kLatentNormEps};
  LatentAttentionSpec a;
  a.module = source.stored(module);
  if (deepseek.q_rank > 0) {
    a.q_a = source.linear(module + ".q_a_proj", deepseek.q_rank, d.hidden, deepseek.bias);
    a.q_norm = source.norm(module + ".q_a_layernorm", deepseek.q_rank, norm);
    a.q = source.linear(module + ".q_b_proj", d.heads * head, deepseek.q_rank);
  } else {
    a.q = source.linear(module + ".q_proj", d.heads * head, d.hidden);
  }
  a.kv_a = source.linear(module + ".kv_a_proj_with_mqa", deepseek.kv_rank + deepseek.rope_dim, d.hidden, deepseek.bias);
  a.kv_norm = source.norm(module + ".kv_a_layernorm", deepseek.kv_rank, norm);
  read_latent_kv(source, deepseek, module, a);
  a.o = source.linear(module + ".o_proj", d.hidden, d.heads * deepseek.value_dim, deepseek.bias);
  a.heads = d.heads;
  a.nope_dim = deepseek.nope_dim;
  a.rope_dim = deepseek.rope_dim;
  a.value_dim = deepseek.value_dim;
  a.scale = score_scale(deepseek);
  return a;
}

}  // namespace

Deepseek read_deepseek(Source& source, bool interleaved, const DeepseekDefaults& defaults) {
  Keys& keys = source.keys;
  Deepseek deepseek;
  deepseek.rope_dim = keys.size("qk_rope_head_dim");
  deepseek.nope_dim = keys.size("qk_nope_head_dim");
  deepseek.value_dim = keys.size("v_head_dim");
  deepseek.kv_rank = keys.size("kv_lora_rank");
  deepseek.q_rank = keys.has("q_lora_rank") ? keys.size("q_lora_rank") : 0;
  // Sums of the sizes above, or what they would be in attention of another kind.
  keys.ignore({"qk_head_dim", "head_dim", "num_key_value_heads", "ep_size"});

  deepseek.decoder = read_decoder(source, {.norm_eps = defaults.norm_eps,
                                           .head_dim = deepseek.rope_dim,
                                           .tied = defaults.tied,
                                           .has_rope = false,
                                           .keys = {.kv_heads = nullptr}});
  Decoder& d = deepseek.decoder;
  d.ropes.push_back(read_rope(keys, deepseek.rope_dim, {.interleaved = interleaved}));
  const int64_t widest = std::max(deepseek.nope_dim + deepseek.rope_dim, deepseek.nope_dim + deepseek.value_dim);
  if (d.heads > (int64_t{1} << 30) / widest) keys.refuse("num_attention_heads", "fewer, for heads of this size");
  deepseek.bias = keys.boolean_or("attention_bias", false);
  read_mixture(keys, defaults, deepseek);
  return deepseek;
}

void read_expert_groups(Keys& keys, const DeepseekDefaults& defaults, MoeShape& shape) {
  RoutingSpec& routing = shape.routing;
  routing.groups = keys.size_or("n_group", defaults.groups);
  routing.top_groups = keys.size_or("topk_group", defaults.top_groups);
  if (shape.experts % routing.groups != 0) {
    keys.refuse("n_group", fmt::format("a divisor of {} experts", shape.experts));
  }
  if (routing.top_groups > routing.groups) keys.refuse("topk_group", fmt::format("at most {}", routing.groups));
  if (routing.top_k > routing.top_groups * (shape.experts / routing.groups)) {
    keys.refuse("num_experts_per_tok", "no more experts than the chosen groups have");
  }
}

void read_sigmoid_routing(Keys& keys, const DeepseekDefaults& defaults, MoeShape& shape) {
  read_expert_groups(keys, defaults, shape);
  if (keys.string_or("scoring_func", "sigmoid") != "sigmoid") keys.refuse("scoring_func", "sigmoid");
  if (keys.string_or("topk_method", "noaux_tc") != "noaux_tc") keys.refuse("topk_method", "noaux_tc");
  shape.routing.scores = RoutingSpec::Scores::sigmoid;
  shape.routing.group_score = RoutingSpec::GroupScore::two_best;
  shape.routing.renormalize = keys.boolean_or("norm_topk_prob", defaults.renormalize);
  shape.routing.norm_epsilon = 1e-20;
  shape.routing.scale = keys.positive_or("routed_scaling_factor", defaults.routed_scale);
  shape.router_bias = "gate.e_score_correction_bias";
}

MoeShape read_sigmoid_moe(Keys& keys, const char* experts_key, const char* shared_key,
                          const DeepseekDefaults& defaults) {
  MoeShape shape = read_moe(keys, experts_key, "moe_intermediate_size");
  read_sigmoid_routing(keys, defaults, shape);
  read_shared_experts(keys, shared_key, 1, shape);
  return shape;
}

ModelSpec build(const Source& source, const Deepseek& deepseek) {
  const Decoder& d = deepseek.decoder;
  return build(source, d, [&](int64_t layer) {
    const std::string module = layer_name(d, layer, d.names.mlp);
    LatentAttentionSpec attention = latent_attention(source, deepseek, layer);
    if (!deepseek.mixtures[static_cast<size_t>(layer)])
      return decoder_layer(source, d, layer, std::move(attention), mlp(source, d, module, d.intermediate));
    return decoder_layer(source, d, layer, std::move(attention), moe(source, d, module, deepseek.moe));
  });
}

}  // namespace assay

#include "model/arch/deepseek.h"

#include <fmt/core.h>

#include <cmath>

#include "model/rope.h"

namespace assay {

namespace {

/// Whatever rms_norm_eps is.
constexpr double kLatentNormEps = 1e-6;

void read_mixture(Keys& keys, const DeepseekDefaults& defaults, Deepseek& deepseek) {
  if (!keys.has("n_routed_experts")) return;
  MoeShape& shape = deepseek.moe;
  shape = read_moe(keys, "n_routed_experts", "moe_intermediate_size");
  shape.routing.scale = keys.positive_or("routed_scaling_factor", defaults.routed_scale);
  const int64_t shared = keys.count_or("n_shared_experts", 0);
  if (shared > (int64_t{1} << 30) / shape.intermediate) keys.refuse("n_shared_experts", "fewer");
  shape.shared_intermediate = shared * shape.intermediate;
  deepseek.first_mixture = keys.count_or("first_k_dense_replace", defaults.first_mixture);
  deepseek.mixture_step = keys.size_or("moe_layer_freq", 1);
}

/// The scores' own factor makes up for that of yarn, which the unrotated components do not get.
double score_scale(const Deepseek& deepseek) {
  const RopeSpec& rope = deepseek.decoder.ropes.at(0);
  const double plain = 1 / std::sqrt(static_cast<double>(deepseek.nope_dim + deepseek.rope_dim));
  if (rope.type != RopeSpec::Type::yarn || rope.mscale_all_dim.value_or(0) == 0) return plain;
  const double magnitude = yarn_magnitude(rope, *rope.mscale_all_dim);
  return plain * magnitude * magnitude;
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
  a.kv_b = source.linear(module + ".kv_b_proj", d.heads * (deepseek.nope_dim + deepseek.value_dim), deepseek.kv_rank);
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

  deepseek.decoder = read_decoder(source, {.head_dim = deepseek.rope_dim, .has_rope = false});
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

ModelSpec build(const Source& source, const Deepseek& deepseek) {
  const Decoder& d = deepseek.decoder;
  return build(source, d, [&](int64_t layer) {
    const std::string module = layer_name(d, layer, d.names.mlp);
    const bool mixture =
        deepseek.moe.experts > 0 && layer >= deepseek.first_mixture && layer % deepseek.mixture_step == 0;
    LatentAttentionSpec attention = latent_attention(source, deepseek, layer);
    if (!mixture) return decoder_layer(source, d, layer, std::move(attention), mlp(source, d, module, d.intermediate));
    MoeSpec experts = moe(source, d, module, deepseek.moe);
    if (deepseek.choice_bias) {
      experts.routing.bias = source.tensor(module + ".gate.e_score_correction_bias", {deepseek.moe.experts});
    }
    return decoder_layer(source, d, layer, std::move(attention), std::move(experts));
  });
}

}  // namespace assay

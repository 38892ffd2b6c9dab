#include <fmt/core.h>

#include <algorithm>

#include "model/arch/deepseek.h"
#include "model/arch/state_space.h"

namespace assay::arch {

namespace {

enum class Kind : uint8_t { mamba, attention, mlp, experts };

/// `hybrid_override_pattern` has a letter for each layer, later configs a list of names.
std::vector<Kind> read_kinds(Keys& keys) {
  std::vector<std::string> names;
  const char* key = "hybrid_override_pattern";
  if (keys.has(key)) {
    for (const char letter : keys.string(key)) names.emplace_back(1, letter);
  } else {
    key = keys.has("layers_block_type") ? "layers_block_type" : "layer_types";
    names = keys.strings(key);
  }
  keys.ignore({"layer_types", "layers_block_type"});
  std::vector<Kind> kinds;
  for (const std::string& name : names) {
    if (name == "M" || name == "mamba" || name == "linear_attention") {
      kinds.push_back(Kind::mamba);
    } else if (name == "*" || name == "attention" || name == "full_attention") {
      kinds.push_back(Kind::attention);
    } else if (name == "-" || name == "mlp") {
      kinds.push_back(Kind::mlp);
    } else if (name == "E" || name == "moe") {
      kinds.push_back(Kind::experts);
    } else {
      keys.refuse(key, "M, *, - or E for each layer");
    }
  }
  const auto layers = static_cast<int64_t>(kinds.size());
  if (layers == 0 || keys.size_or("num_hidden_layers", layers) != layers) {
    keys.refuse(key, "a kind for each of num_hidden_layers layers");
  }
  return kinds;
}

/// The library bounds time steps by what they were initialized with, whatever time_step_limit says.
Mamba2Shape read_mixer(Keys& keys) {
  Mamba2Shape shape =
      read_mamba2(keys, {"mamba_num_heads", "mamba_head_dim", "n_groups", "ssm_state_size", "conv_kernel"}, 0);
  shape.dt_low = keys.positive_or("time_step_min", 0.001);
  shape.dt_high = std::numeric_limits<double>::infinity();
  shape.in_bias = shape.out_bias = keys.boolean_or("use_bias", false);
  shape.conv_bias = keys.boolean_or("use_conv_bias", true);
  shape.norm_parts = shape.groups;
  if (keys.string_or("mamba_hidden_act", "silu") != "silu") keys.refuse("mamba_hidden_act", "silu");
  keys.ignore({"expand", "mamba_proj_bias", "mamba_ssm_cache_dtype", "use_mamba_kernels"});
  return shape;
}

MoeShape read_experts(Keys& keys) {
  MoeShape shape = read_sigmoid_moe(keys, "n_routed_experts", "n_shared_experts", {});
  shape.shared_intermediate = keys.size("moe_shared_expert_intermediate_size");
  shape.gate = "";
  if (keys.has("moe_latent_size")) keys.refuse("moe_latent_size", "null");
  return shape;
}

Decoder read(Source& source, int64_t layers) {
  DecoderDefaults defaults{
      .norm_eps = 1e-5, .layers = layers, .kv_heads = 8, .head_dim = 128, .activation = "relu2", .has_rope = false};
  defaults.keys.norm_eps = "layer_norm_epsilon";
  defaults.keys.activation = "mlp_hidden_act";
  defaults.names = {
      .plain = "backbone.", .embedding = "embeddings", .final_norm = "norm_f", .attention = "mixer", .mlp = "mixer"};
  Decoder d = read_decoder(source, defaults);
  d.qkv_bias = d.o_bias = source.keys.boolean_or("attention_bias", false);
  d.mlp_bias = source.keys.boolean_or("mlp_bias", false);
  d.gated = false;
  return d;
}

}  // namespace

/// Layers of one part each behind one norm: a Mamba-2 mixer, attention without positions, an MLP or a mixture of
/// experts, all without gates.
ModelSpec nemotron_h(Source& source) {
  Keys& keys = source.keys;
  const std::vector<Kind> kinds = read_kinds(keys);
  const Decoder d = read(source, static_cast<int64_t>(kinds.size()));
  const Mamba2Shape mixer = read_mixer(keys);
  const bool mixtures = std::ranges::find(kinds, Kind::experts) != kinds.end();
  MoeShape experts;
  if (mixtures) experts = read_experts(keys);
  keys.ignore({"n_routed_experts", "n_shared_experts", "moe_intermediate_size", "moe_shared_expert_intermediate_size",
               "moe_shared_expert_overlap", "n_group", "topk_group", "norm_topk_prob", "routed_scaling_factor",
               "num_experts_per_tok", "mtp_layers_block_type", "mtp_hybrid_override_pattern", "sliding_window"});
  Decoder first = d, second = d;  // the layer's norm is that of its part
  first.names.attention_norm = second.names.mlp_norm = "norm";
  first.names.mlp_norm = second.names.attention_norm = "";
  return build(source, d, [&](int64_t layer) {
    const std::string module = layer_name(d, layer, "mixer");
    const NoMixerSpec none{source.stored(module)};
    switch (kinds[static_cast<size_t>(layer)]) {
      case Kind::mamba:
        return decoder_layer(source, first, layer, mamba2(source, d, module, mixer), std::monostate{});
      case Kind::attention:
        return decoder_layer(source, first, layer, std::monostate{});
      case Kind::mlp:
        return decoder_layer(source, second, layer, none, mlp(source, d, module, d.intermediate));
      case Kind::experts:
        break;
    }
    return decoder_layer(source, second, layer, none, moe(source, d, module, experts));
  });
}

}  // namespace assay::arch

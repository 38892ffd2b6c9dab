#include <fmt/core.h>

#include "model/arch/granite.h"
#include "model/arch/state_space.h"

namespace assay::arch {

namespace {

/// Which layers are state spaces; each kind has an older and a newer name.
std::vector<bool> read_mamba_layers(Keys& keys, int64_t layers) {
  const std::vector<std::string> types = keys.strings("layer_types");
  if (types.empty()) return std::vector<bool>(static_cast<size_t>(layers), true);
  if (static_cast<int64_t>(types.size()) != layers) {
    keys.refuse("layer_types", fmt::format("one entry for each of {} layers", layers));
  }
  std::vector<bool> mamba;
  for (const std::string& type : types) {
    mamba.push_back(type == "mamba" || type == "linear_attention");
    if (!mamba.back() && type != "attention" && type != "full_attention") {
      keys.refuse("layer_types", "mamba or attention");
    }
  }
  return mamba;
}

Mamba2Shape read_shape(Keys& keys, int64_t hidden) {
  const int64_t width = keys.size_or("mamba_expand", 2) * hidden;
  Mamba2Shape shape =
      read_mamba2(keys, {"mamba_n_heads", "mamba_d_head", "mamba_n_groups", "mamba_d_state", "mamba_d_conv"}, width);
  shape.in_bias = shape.out_bias = keys.boolean_or("mamba_proj_bias", false);
  shape.conv_bias = keys.boolean_or("mamba_conv_bias", true);
  return shape;
}

}  // namespace

/// Granite with Mamba-2 mixers in most layers, and an MLP beside the experts, or alone.
ModelSpec granitemoehybrid(Source& source) {
  Keys& keys = source.keys;
  Decoder d =
      read_granite(source, {.keys = {.intermediate = "shared_intermediate_size"},
                            .names = {.mlp = "shared_mlp", .down = "output_linear", .gate_up = "input_linear"}});
  // GGUF files have the gate alone.
  if (source.has_module(source.stored(layer_name(d, 0, "shared_mlp.gate_proj")))) d.names.gate_up.clear();
  if (keys.string_or("position_embedding_type", "nope") != "rope") d.ropes.clear();
  if (keys.string_or("normalization_function", "rmsnorm") != "rmsnorm") {
    keys.refuse("normalization_function", "rmsnorm");
  }
  const std::vector<bool> mamba = read_mamba_layers(keys, d.layers);
  const Mamba2Shape shape = read_shape(keys, d.hidden);
  const bool experts = keys.count_or("num_local_experts", 8) > 0;
  MoeShape moe;
  if (experts) moe = read_moe(keys, "num_local_experts", "intermediate_size");
  keys.ignore({"intermediate_size", "num_experts_per_tok"});

  return build(source, d, [&](int64_t layer) {
    FeedForwardSpec ff = mlp(source, d, layer_name(d, layer, d.names.mlp), d.intermediate);
    if (experts) {
      MoeSpec all = granite_moe(source, d, layer, moe);
      all.shared = std::get<MlpSpec>(std::move(ff));
      ff = std::move(all);
    }
    if (!mamba[static_cast<size_t>(layer)]) return decoder_layer(source, d, layer, std::move(ff));
    return decoder_layer(source, d, layer, mamba2(source, d, layer_name(d, layer, "mamba"), shape), std::move(ff));
  });
}

}  // namespace assay::arch

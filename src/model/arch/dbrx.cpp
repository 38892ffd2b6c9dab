#include <fmt/core.h>

#include "model/arch/arch.h"

namespace assay::arch {

namespace {

DecoderDefaults defaults_of(Keys& keys) {
  DecoderDefaults defaults{.norm_eps = 1e-5, .layer_norm = true, .activation = nullptr};
  defaults.keys = {.hidden = "d_model",
                   .intermediate = nullptr,
                   .layers = "n_layers",
                   .heads = "n_heads",
                   .kv_heads = nullptr,
                   .positions = "max_seq_len",
                   .norm_eps = nullptr};
  Names& names = defaults.names;
  names.plain = "transformer.";
  names.embedding = "wte";
  names.layers = "blocks";
  names.final_norm = "norm_f";
  names.attention = "norm_attn_norm.attn";
  names.qkv = "Wqkv";
  names.o = "out_proj";
  names.attention_norm = "norm_attn_norm.norm_1";
  names.mlp_norm = "norm_attn_norm.norm_2";
  keys.ignore({"num_key_value_heads"});  // attn_config has it
  if (Keys* attention = keys.section("attn_config")) {
    defaults.kv_heads = attention->size_or("kv_n_heads", 1);
    defaults.rope.theta = attention->positive_or("rope_theta", 10000);
  }
  return defaults;
}

/// Experts are stacked row by row, [experts * intermediate, hidden], those of w2 as columns of the linear.
LinearSpec part(const Source& source, const Decoder& d, const std::string& module, const char* name,
                const MoeShape& shape, int64_t expert) {
  LinearSpec linear;
  linear.module = source.tensor(module + "." + name, {shape.experts * shape.intermediate, d.hidden});
  linear.dense_name = source.dense(fmt::format("{}.{}.{}.weight", module, expert, name));
  linear.out = shape.intermediate;
  linear.in = d.hidden;
  linear.stored_rows = shape.experts * shape.intermediate;
  linear.first_row = expert * shape.intermediate;
  return linear;
}

LinearSpec transposed_part(const Source& source, const Decoder& d, const std::string& module, const char* name,
                           const MoeShape& shape, int64_t expert) {
  LinearSpec linear = part(source, d, module, name, shape, expert);
  linear.out = linear.stack_rows = d.hidden;
  linear.in = shape.intermediate;
  linear.stored_rows = shape.experts * d.hidden;
  linear.first_row = expert * d.hidden;
  return linear;
}

/// As GGUF files have them.
MlpSpec alone(const Source& source, const Decoder& d, const std::string& expert, const MoeShape& shape) {
  return {.activation = d.activation,
          .gate = source.linear(expert + ".w1", shape.intermediate, d.hidden),
          .up = source.linear(expert + ".v1", shape.intermediate, d.hidden),
          .down = source.linear(expert + ".w2", d.hidden, shape.intermediate)};
}

MoeShape read_shape(Keys& keys) {
  Keys* section = keys.section("ffn_config");
  if (!section) keys.refuse("ffn_config", "an object that describes the experts");
  section->ignore({"moe_jitter_eps", "moe_loss_weight", "hidden_size"});
  MoeShape shape = read_moe(*section, "moe_num_experts", "ffn_hidden_size", "moe_top_k");
  shape.routing.renormalize = !section->is_null("moe_normalize_expert_weights");
  if (shape.routing.renormalize) shape.routing.norm_order = section->positive_or("moe_normalize_expert_weights", 1);
  return shape;
}

Activation activation_of(Keys& keys) {
  Keys* act = keys.section("ffn_config")->section("ffn_act_fn");
  return act ? read_activation(*act, "name", "silu") : Activation::silu;
}

}  // namespace

/// Layer norms without biases, one module for q, k and v with bounds, and a mixture of experts in every layer.
ModelSpec dbrx(Source& source) {
  Keys& keys = source.keys;
  const MoeShape shape = read_shape(keys);
  Decoder decoder = read_decoder(source, defaults_of(keys));
  decoder.activation = activation_of(keys);
  if (Keys* attention = keys.section("attn_config")) decoder.clip_qkv = attention->positive_or_none("clip_qkv", 0);
  return build(source, decoder, [&](int64_t layer) {
    const std::string module = layer_name(decoder, layer, "ffn"), experts = module + ".experts.mlp";
    MoeSpec moe;
    moe.router = source.linear(module + ".router.layer", shape.experts, decoder.hidden);
    moe.routing = shape.routing;
    for (int64_t e = 0; e < shape.experts; ++e) {
      if (const std::string expert = fmt::format("{}.{}", experts, e); source.has_module(source.stored(expert))) {
        moe.experts.push_back(alone(source, decoder, expert, shape));
        continue;
      }
      moe.experts.push_back({.activation = decoder.activation,
                             .gate = part(source, decoder, experts, "w1", shape, e),
                             .up = part(source, decoder, experts, "v1", shape, e),
                             .down = transposed_part(source, decoder, experts, "w2", shape, e)});
    }
    return decoder_layer(source, decoder, layer, std::move(moe));
  });
}

}  // namespace assay::arch

#include "model/arch/qwen_delta.h"

#include <fmt/core.h>

#include "model/arch/state_space.h"

namespace assay {

namespace {

std::vector<bool> read_linear_layers(Keys& keys, int64_t layers) {
  const int64_t interval = keys.size_or("full_attention_interval", 4);
  const std::vector<std::string> types = keys.strings("layer_types");
  std::vector<bool> linear(static_cast<size_t>(layers));
  if (!types.empty() && types.size() != linear.size()) {
    keys.refuse("layer_types", fmt::format("one entry for each of {} layers", layers));
  }
  for (size_t i = 0; i < linear.size(); ++i) {
    linear[i] = types.empty() ? (static_cast<int64_t>(i) + 1) % interval != 0 : types[i] == "linear_attention";
    if (!linear[i] && !types.empty() && types[i] != "full_attention") {
      keys.refuse("layer_types", "full_attention or linear_attention");
    }
  }
  return linear;
}

}  // namespace

QwenHybrid read_qwen_hybrid(Source& source, bool dense) {
  Keys& keys = source.keys;
  QwenHybrid hybrid;
  Decoder& d = hybrid.decoder;
  d = read_decoder(source, {.head_dim = 256, .mlp_ratio = dense ? 0 : 1, .rope = {.partial = 0.25}});
  d.norm.weight_offset = d.qk_norm_style.weight_offset = 1;
  d.qk_norm = Decoder::QkNorm::head;
  d.qkv_bias = d.o_bias = keys.boolean_or("attention_bias", false);
  if (!keys.boolean_or("attn_output_gate", true)) keys.refuse("attn_output_gate", "true");
  if (d.activation != Activation::silu) keys.refuse("hidden_act", "silu, which linear attention has too");
  hybrid.linear = read_linear_layers(keys, d.layers);
  hybrid.key_heads = keys.size_or("linear_num_key_heads", 16);
  hybrid.value_heads = keys.size_or("linear_num_value_heads", 32);
  hybrid.key_dim = keys.size_or("linear_key_head_dim", 128);
  hybrid.value_dim = keys.size_or("linear_value_head_dim", 128);
  hybrid.kernel = keys.size_or("linear_conv_kernel_dim", 4);
  if (hybrid.value_heads % hybrid.key_heads != 0) {
    keys.refuse("linear_num_value_heads", fmt::format("a multiple of {} key heads", hybrid.key_heads));
  }
  constexpr int64_t kMost = int64_t{1} << 28;
  if (hybrid.value_heads > kMost / hybrid.key_dim) keys.refuse("linear_key_head_dim", "less");
  if (hybrid.value_heads > kMost / hybrid.value_dim) keys.refuse("linear_value_head_dim", "less");
  if (hybrid.kernel > 1024) keys.refuse("linear_conv_kernel_dim", "at most 1024");
  return hybrid;
}

AttentionSpec gated_attention(const Source& source, const Decoder& d, int64_t layer) {
  const std::string module = layer_name(d, layer, d.names.attention), q = module + "." + d.names.q;
  const int64_t rows = d.heads * d.head_dim;
  Decoder plain = d;
  plain.qkv_bias = false;  // the bias of q holds the gate's too
  AttentionSpec a = attention(source, plain, layer);
  if (d.qkv_bias) {
    a.k = source.linear(module + "." + d.names.k, a.k.out, d.hidden, true);
    a.v = source.linear(module + "." + d.names.v, a.v.out, d.hidden, true);
  }
  const Rows own{.stored = 2 * rows, .run = d.head_dim, .stride = 2 * d.head_dim};
  Rows gate = own;
  gate.first = d.head_dim;
  a.q = source.linear_part(q, own, q, rows, d.hidden, d.qkv_bias);
  a.gate = source.linear_part(q, gate, module + ".gate_proj", rows, d.hidden, d.qkv_bias);
  return a;
}

DeltaNetSpec delta_net(const Source& source, const QwenHybrid& hybrid, const std::string& module) {
  const Decoder& d = hybrid.decoder;
  const int64_t heads = hybrid.value_heads, width = heads * hybrid.value_dim;
  DeltaNetSpec spec;
  spec.module = source.stored(module);
  spec.conv.channels = 2 * hybrid.key_heads * hybrid.key_dim + width;
  spec.conv.kernel = hybrid.kernel;
  spec.conv.weight = source.tensor(module + ".conv1d.weight", {spec.conv.channels, 1, hybrid.kernel});
  spec.a_log = decays(source, module, {heads});
  spec.dt_bias = source.tensor(module + ".dt_bias", {heads});
  spec.norm = source.norm(module + ".norm", hybrid.value_dim, {.eps = d.norm.eps});
  spec.out = source.linear(module + ".out_proj", d.hidden, width);
  spec.key_heads = hybrid.key_heads;
  spec.heads = heads;
  spec.key_dim = hybrid.key_dim;
  spec.value_dim = hybrid.value_dim;
  return spec;
}

void read_separate_projections(const Source& source, const QwenHybrid& hybrid, const std::string& module,
                               DeltaNetSpec& spec) {
  const int64_t hidden = hybrid.decoder.hidden;
  const int64_t q = hybrid.key_heads * hybrid.key_dim, v = hybrid.value_heads * hybrid.value_dim;
  const auto part = [&](const char* alone, int64_t first, int64_t rows) {
    return source.linear_part(module + ".in_proj_qkv", {.stored = 2 * q + v, .first = first}, module + "." + alone,
                              rows, hidden);
  };
  spec.q = part("in_proj_q", 0, q);
  spec.k = part("in_proj_k", q, q);
  spec.v = part("in_proj_v", 2 * q, v);
  spec.z = source.linear(module + ".in_proj_z", v, hidden);
}

MoeShape read_qwen_experts(Keys& keys) {
  MoeShape shape = read_moe(keys, "num_experts", "moe_intermediate_size");
  shape.shared_intermediate = keys.count_or("shared_expert_intermediate_size", 0);
  shape.shared = "shared_expert";
  if (shape.shared_intermediate > 0) shape.shared_gate = "shared_expert_gate";
  return shape;
}

ModelSpec build(const Source& source, const QwenHybrid& hybrid,
                const std::function<void(const std::string& module, DeltaNetSpec& spec)>& projections,
                const std::function<FeedForwardSpec(int64_t layer)>& feed_forward) {
  const Decoder& d = hybrid.decoder;
  return build(source, d, [&](int64_t layer) {
    if (!hybrid.linear.at(static_cast<size_t>(layer))) {
      return decoder_layer(source, d, layer, gated_attention(source, d, layer), feed_forward(layer));
    }
    const std::string module = layer_name(d, layer, "linear_attn");
    DeltaNetSpec spec = delta_net(source, hybrid, module);
    projections(module, spec);
    return decoder_layer(source, d, layer, std::move(spec), feed_forward(layer));
  });
}

}  // namespace assay

#include "model/arch/arch.h"

#include <fmt/core.h>

#include <cmath>

namespace assay {

namespace {

/// heads * head_dim and the like, kept in the range of every other size.
int64_t product(Keys& keys, const char* key, int64_t a, int64_t b) {
  if (a > (int64_t{1} << 30) / b) keys.refuse(key, fmt::format("a size that gives at most 2^30 rows times {}", b));
  return a * b;
}

}  // namespace

Activation read_activation(Keys& keys, const char* key, const char* otherwise) {
  const std::string name = keys.string_or(key, otherwise);
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  if (name == "relu2") return Activation::relu2;
  keys.refuse(key, "silu, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu or relu2");
}

std::vector<int64_t> read_windows(Keys& keys, int64_t layers, int64_t window,
                                  const std::function<bool(int64_t layer)>& slides) {
  std::vector<int64_t> windows(static_cast<size_t>(layers));
  const std::vector<std::string> types = keys.strings("layer_types");
  if (types.empty()) {
    for (int64_t i = 0; i < layers; ++i) windows[i] = slides(i) ? window : 0;
    return windows;
  }
  if (types.size() != windows.size())
    keys.refuse("layer_types", fmt::format("one entry for each of {} layers", layers));
  for (size_t i = 0; i < types.size(); ++i) {
    const bool sliding = types[i] == "sliding_attention";
    if (!sliding && types[i] != "full_attention") keys.refuse("layer_types", "full_attention or sliding_attention");
    if (sliding && window == 0) keys.refuse("sliding_window", "a window, since layer_types has sliding_attention");
    windows[i] = sliding ? window : 0;
  }
  return windows;
}

std::vector<int64_t> read_qwen_windows(Keys& keys, int64_t layers) {
  const bool used = keys.boolean_or("use_sliding_window", false);
  keys.ignore({"sliding_window"});
  const int64_t window = used ? keys.size_or("sliding_window", 4096) : 0;
  const int64_t first = keys.count_or("max_window_layers", 28);
  return read_windows(keys, layers, window, [&](int64_t layer) { return layer >= first; });
}

Decoder read_decoder(Source& source, const DecoderDefaults& defaults) {
  Keys& keys = source.keys;
  source.locate("embed_tokens");
  Decoder d;
  d.vocab = keys.size("vocab_size");
  d.hidden = keys.size("hidden_size");
  d.intermediate = keys.size("intermediate_size");
  d.layers = keys.size("num_hidden_layers");
  const auto tensors = static_cast<int64_t>(source.checkpoint.tensors().size());
  if (d.layers > tensors) keys.refuse("num_hidden_layers", fmt::format("at most the {} stored tensors", tensors));

  d.heads = keys.size("num_attention_heads");
  d.kv_heads = keys.size_or("num_key_value_heads", d.heads);
  if (d.heads % d.kv_heads != 0) keys.refuse("num_key_value_heads", fmt::format("a divisor of {} heads", d.heads));
  if (!keys.has("head_dim") && defaults.head_dim == 0 && d.hidden % d.heads != 0) {
    keys.refuse("num_attention_heads", fmt::format("a divisor of hidden_size {}, as there is no head_dim", d.hidden));
  }
  d.head_dim = keys.size_or("head_dim", defaults.head_dim > 0 ? defaults.head_dim : d.hidden / d.heads);
  product(keys, "num_attention_heads", d.heads, d.head_dim);

  d.max_positions = keys.size_or("max_position_embeddings", 0);
  d.norm_eps = keys.positive_or("rms_norm_eps", defaults.norm_eps);
  d.activation = read_activation(keys, "hidden_act", "silu");
  d.tied = source.tied(defaults.tied);
  d.rope = read_rope(keys, d.head_dim, defaults.rope);
  return d;
}

AttentionSpec attention(const Source& source, const Decoder& d, int64_t layer) {
  const std::string module = fmt::format("layers.{}.self_attn", layer);
  const int64_t q_rows = d.heads * d.head_dim, kv_rows = d.kv_heads * d.head_dim;
  AttentionSpec a;
  a.module = source.stored(module);
  a.q = source.linear(module + ".q_proj", q_rows, d.hidden, d.qkv_bias);
  a.k = source.linear(module + ".k_proj", kv_rows, d.hidden, d.qkv_bias);
  a.v = source.linear(module + ".v_proj", kv_rows, d.hidden, d.qkv_bias);
  a.o = source.linear(module + ".o_proj", d.hidden, q_rows, d.o_bias);
  a.heads = d.heads;
  a.kv_heads = d.kv_heads;
  a.head_dim = d.head_dim;
  if (d.qk_norm) {
    a.q_norm = source.rms_norm(module + ".q_norm", d.head_dim, d.norm_eps);
    a.k_norm = source.rms_norm(module + ".k_norm", d.head_dim, d.norm_eps);
  }
  a.rope = 0;
  a.scale = 1 / std::sqrt(static_cast<double>(d.head_dim));
  a.window = d.windows.empty() ? 0 : d.windows.at(static_cast<size_t>(layer));
  return a;
}

MlpSpec gated_mlp(const Source& source, const Decoder& d, const std::string& module, int64_t intermediate) {
  return {.activation = d.activation,
          .gate = source.linear(module + ".gate_proj", intermediate, d.hidden, d.mlp_bias),
          .up = source.linear(module + ".up_proj", intermediate, d.hidden, d.mlp_bias),
          .down = source.linear(module + ".down_proj", d.hidden, intermediate, d.mlp_bias)};
}

LayerSpec decoder_layer(const Source& source, const Decoder& d, int64_t layer) {
  return decoder_layer(source, d, layer, gated_mlp(source, d, fmt::format("layers.{}.mlp", layer), d.intermediate));
}

LayerSpec decoder_layer(const Source& source, const Decoder& d, int64_t layer, std::variant<MlpSpec, MoeSpec> mlp) {
  const std::string name = fmt::format("layers.{}", layer);
  return {.attention_norm = source.rms_norm(name + ".input_layernorm", d.hidden, d.norm_eps),
          .mlp_norm = source.rms_norm(name + ".post_attention_layernorm", d.hidden, d.norm_eps),
          .attention = attention(source, d, layer),
          .mlp = std::move(mlp)};
}

ModelSpec build(const Source& source, const Decoder& d, const std::function<LayerSpec(int64_t)>& layer) {
  ModelSpec model;
  model.vocab = d.vocab;
  model.hidden = d.hidden;
  model.max_positions = d.max_positions;
  model.embedding = source.stored("embed_tokens");
  model.embedding_dense_name = Source::dense("embed_tokens.weight");
  model.head = source.head(model.embedding, d.tied, d.vocab, d.hidden);
  model.tied = model.head.module == model.embedding;
  model.final_norm = source.rms_norm("norm", d.hidden, d.norm_eps);
  model.ropes.push_back(d.rope);
  for (int64_t i = 0; i < d.layers; ++i) model.layers.push_back(layer ? layer(i) : decoder_layer(source, d, i));
  return model;
}

}  // namespace assay

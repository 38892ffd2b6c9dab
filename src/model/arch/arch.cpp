#include "model/arch/arch.h"

#include <fmt/core.h>

#include <cmath>

namespace assay {

namespace {

/// heads * head_dim and the like, kept in the range of every other size.
int64_t product(Keys& keys, const char* key, int64_t a, int64_t b) {
  if (b > 0 && a > (int64_t{1} << 30) / b)
    keys.refuse(key, fmt::format("a size that gives at most 2^30 rows times {}", b));
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

namespace {

/// The architecture's own key, unless only the usual one is there.
const char* present(Keys& keys, const char* own, const char* usual) {
  return !keys.has(own) && keys.has(usual) ? usual : own;
}

int64_t size_or_default(Keys& keys, const char* key, int64_t otherwise) {
  return otherwise > 0 ? keys.size_or(key, otherwise) : keys.size(key);
}

void read_heads(Keys& keys, const DecoderDefaults& defaults, Decoder& d) {
  const DecoderKeys usual;
  const char* heads = present(keys, defaults.keys.heads, usual.heads);
  d.heads = size_or_default(keys, heads, defaults.heads);
  d.kv_heads = defaults.kv_heads > 0 ? defaults.kv_heads : d.heads;
  const char* kv_heads = heads;
  if (defaults.keys.kv_heads) {
    kv_heads = present(keys, defaults.keys.kv_heads, usual.kv_heads);
    d.kv_heads = keys.size_or(kv_heads, d.kv_heads);
  }
  if (d.heads % d.kv_heads != 0) keys.refuse(kv_heads, fmt::format("a divisor of {} heads", d.heads));
  if (!keys.has("head_dim") && defaults.head_dim == 0 && d.hidden % d.heads != 0) {
    keys.refuse(heads, fmt::format("a divisor of hidden_size {}, as there is no head_dim", d.hidden));
  }
  d.head_dim = keys.size_or("head_dim", defaults.head_dim > 0 ? defaults.head_dim : d.hidden / d.heads);
  product(keys, heads, d.heads, d.head_dim);
  d.score_scale = 1 / std::sqrt(static_cast<double>(d.head_dim));
}

}  // namespace

Decoder read_decoder(Source& source, const DecoderDefaults& defaults) {
  Keys& keys = source.keys;
  const DecoderKeys usual, &own = defaults.keys;
  Decoder d;
  d.names = defaults.names;
  source.locate(d.names.embedding, d.names.plain);
  d.vocab = size_or_default(keys, "vocab_size", defaults.vocab);
  d.hidden = keys.size(present(keys, own.hidden, usual.hidden));
  const char* layers = present(keys, own.layers, usual.layers);
  d.layers = size_or_default(keys, layers, defaults.layers);
  const auto tensors = static_cast<int64_t>(source.checkpoint.tensors().size());
  if (d.layers > tensors) keys.refuse(layers, fmt::format("at most the {} stored tensors", tensors));
  d.intermediate = product(keys, own.hidden, d.hidden, defaults.mlp_ratio);
  if (own.intermediate)
    d.intermediate = size_or_default(keys, present(keys, own.intermediate, usual.intermediate), d.intermediate);
  read_heads(keys, defaults, d);

  d.max_positions = keys.size_or(present(keys, own.positions, usual.positions), 0);
  d.norm.kind = defaults.layer_norm ? NormSpec::Kind::layer : NormSpec::Kind::rms;
  d.norm.bias = defaults.norm_bias;
  d.norm.eps = defaults.norm_eps;
  if (own.norm_eps) d.norm.eps = keys.positive_or(present(keys, own.norm_eps, usual.norm_eps), defaults.norm_eps);
  d.qk_norm_style = d.norm;
  if (defaults.activation)
    d.activation = read_activation(keys, present(keys, own.activation, usual.activation), defaults.activation);
  d.tied = source.tied(defaults.tied);
  RopeDefaults rope = defaults.rope;
  rope.max_positions = d.max_positions;
  if (defaults.has_rope) d.ropes.push_back(read_rope(keys, d.head_dim, rope));
  return d;
}

std::string layer_name(const Decoder& d, int64_t layer, const std::string& part) {
  return part.empty() ? fmt::format("{}.{}", d.names.layers, layer)
                      : fmt::format("{}.{}.{}", d.names.layers, layer, part);
}

namespace {

/// q, k and v, each stored alone or as parts of one module.
void read_qkv(const Source& source, const Decoder& d, const std::string& module, AttentionSpec& a) {
  const int64_t q_rows = d.heads * d.head_dim, kv_rows = d.kv_heads * d.head_dim;
  const std::string q = module + "." + d.names.q, k = module + "." + d.names.k, v = module + "." + d.names.v;
  if (d.names.qkv.empty()) {
    a.q = source.linear(q, q_rows, d.hidden, d.qkv_bias);
    a.k = source.linear(k, kv_rows, d.hidden, d.qkv_bias);
    a.v = source.linear(v, kv_rows, d.hidden, d.qkv_bias);
    return;
  }
  const std::string fused = module + "." + d.names.qkv;
  const int64_t stored = q_rows + 2 * kv_rows, dim = d.head_dim;
  Rows rows[3] = {
      {.stored = stored}, {.stored = stored, .first = q_rows}, {.stored = stored, .first = q_rows + kv_rows}};
  if (d.qkv_layout == Decoder::Qkv::by_kv_head) {
    const int64_t queries = d.heads / d.kv_heads * dim, stride = queries + 2 * dim;
    rows[0] = {.stored = stored, .first = 0, .run = queries, .stride = stride};
    rows[1] = {.stored = stored, .first = queries, .run = dim, .stride = stride};
    rows[2] = {.stored = stored, .first = queries + dim, .run = dim, .stride = stride};
  }
  a.q = source.linear_part(fused, rows[0], q, q_rows, d.hidden, d.qkv_bias);
  a.k = source.linear_part(fused, rows[1], k, kv_rows, d.hidden, d.qkv_bias);
  a.v = source.linear_part(fused, rows[2], v, kv_rows, d.hidden, d.qkv_bias);
}

std::vector<NormSpec> qk_norms(const Source& source, const Decoder& d, const std::string& name, int64_t heads) {
  switch (d.qk_norm) {
    case Decoder::QkNorm::none:
      return {};
    case Decoder::QkNorm::head:
      return {source.norm(name, d.head_dim, d.qk_norm_style)};
    case Decoder::QkNorm::all_heads:
      return {source.norm(name, heads * d.head_dim, d.qk_norm_style)};
    case Decoder::QkNorm::each_head:
      return source.head_norms(name, heads, d.head_dim, d.qk_norm_style);
  }
  return {};
}

NormSpec layer_norm(const Source& source, const Decoder& d, int64_t layer, const std::string& name) {
  return name.empty() ? NormSpec{} : source.norm(layer_name(d, layer, name), d.hidden, d.norm);
}

}  // namespace

AttentionSpec attention(const Source& source, const Decoder& d, int64_t layer) {
  const std::string module = layer_name(d, layer, d.names.attention);
  AttentionSpec a;
  a.module = source.stored(module);
  read_qkv(source, d, module, a);
  a.o = source.linear(module + "." + d.names.o, d.hidden, d.heads * d.head_dim, d.o_bias);
  a.heads = d.heads;
  a.kv_heads = d.kv_heads;
  a.head_dim = d.head_dim;
  a.q_norm = qk_norms(source, d, module + "." + d.names.q_norm, d.heads);
  a.k_norm = qk_norms(source, d, module + "." + d.names.k_norm, d.kv_heads);
  a.clip = d.clip_qkv;
  if (!d.layer_ropes.empty()) {
    a.rope = d.layer_ropes.at(static_cast<size_t>(layer));
  } else if (!d.ropes.empty()) {
    a.rope = 0;
  }
  a.scale = d.score_scale;
  a.softcap = d.score_softcap;
  a.window = d.windows.empty() ? 0 : d.windows.at(static_cast<size_t>(layer));
  return a;
}

MlpSpec mlp(const Source& source, const Decoder& d, const std::string& module, int64_t intermediate) {
  MlpSpec mlp;
  mlp.activation = d.activation;
  const std::string gate = module + "." + d.names.gate, up = module + "." + d.names.up;
  if (!d.gated) {
    mlp.up = source.linear(up, intermediate, d.hidden, d.mlp_bias);
  } else if (d.names.gate_up.empty()) {
    mlp.gate = source.linear(gate, intermediate, d.hidden, d.mlp_bias);
    mlp.up = source.linear(up, intermediate, d.hidden, d.mlp_bias);
  } else {
    const std::string fused = module + "." + d.names.gate_up;
    const Rows first{.stored = 2 * intermediate}, second{.stored = 2 * intermediate, .first = intermediate};
    mlp.gate = source.linear_part(fused, first, gate, intermediate, d.hidden, d.mlp_bias);
    mlp.up = source.linear_part(fused, second, up, intermediate, d.hidden, d.mlp_bias);
  }
  mlp.down = source.linear(module + "." + d.names.down, d.hidden, intermediate, d.mlp_bias);
  return mlp;
}

LayerSpec decoder_layer(const Source& source, const Decoder& d, int64_t layer) {
  return decoder_layer(source, d, layer, mlp(source, d, layer_name(d, layer, d.names.mlp), d.intermediate));
}

LayerSpec decoder_layer(const Source& source, const Decoder& d, int64_t layer, FeedForwardSpec mlp) {
  return decoder_layer(source, d, layer, attention(source, d, layer), std::move(mlp));
}

LayerSpec decoder_layer(const Source& source, const Decoder& d, int64_t layer, MixerSpec mixer, FeedForwardSpec mlp) {
  LayerSpec spec;
  spec.module = source.stored(layer_name(d, layer, ""));
  spec.mixer_branch.input_norm = layer_norm(source, d, layer, d.names.attention_norm);
  spec.mixer_branch.output_norm = layer_norm(source, d, layer, d.names.attention_output_norm);
  spec.mlp_branch.input_norm = layer_norm(source, d, layer, d.names.mlp_norm);
  spec.mlp_branch.output_norm = layer_norm(source, d, layer, d.names.mlp_output_norm);
  spec.mixer_branch.scale = spec.mlp_branch.scale = d.residual_multiplier;
  spec.mixer = std::move(mixer);
  spec.mlp = std::move(mlp);
  spec.parallel = d.parallel;
  return spec;
}

ModelSpec build(const Source& source, const Decoder& d, const std::function<LayerSpec(int64_t)>& layer) {
  ModelSpec model;
  model.vocab = d.vocab;
  model.hidden = d.hidden;
  model.max_positions = d.max_positions;
  model.embedding = source.stored(d.names.embedding);
  model.embedding_dense_name = source.dense(d.names.embedding) + ".weight";
  model.input.multiplier = d.embedding_multiplier;
  const int64_t width = d.embedding_width > 0 ? d.embedding_width : d.hidden;
  model.head = source.head(model.embedding, d.tied, d.vocab, width, d.head_bias);
  model.tied = model.head.module == model.embedding;
  model.logit_multiplier = d.logit_multiplier;
  model.logit_softcap = d.logit_softcap;
  if (!d.names.final_norm.empty()) model.final_norm = source.norm(d.names.final_norm, d.hidden, d.norm);
  model.ropes = d.ropes;
  for (int64_t i = 0; i < d.layers; ++i) model.layers.push_back(layer ? layer(i) : decoder_layer(source, d, i));
  return model;
}

}  // namespace assay

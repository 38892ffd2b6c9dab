#include "model/arch/gemma_kv.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace assay {

std::vector<int64_t> read_shared_kv(Keys& keys, const std::vector<int64_t>& windows) {
  const auto layers = static_cast<int64_t>(windows.size());
  const int64_t shared = keys.count_or("num_kv_shared_layers", 0);
  if (shared >= layers) keys.refuse("num_kv_shared_layers", fmt::format("less than the {} layers", layers));
  std::vector<int64_t> source(windows.size(), -1);
  for (int64_t i = layers - shared; i < layers; ++i) {
    for (int64_t j = 0; j < layers - shared; ++j) {
      if ((windows[i] > 0) == (windows[j] > 0)) source[i] = j;
    }
    if (source[i] < 0) keys.refuse("num_kv_shared_layers", "fewer: no earlier layer is of the same kind");
  }
  return source;
}

AttentionSpec shared_attention(const Source& source, const Decoder& d, int64_t layer,
                               const std::vector<int64_t>& shared, bool has_v) {
  const std::string module = layer_name(d, layer, d.names.attention);
  const int64_t q_rows = d.heads * d.head_dim, kv_rows = d.kv_heads * d.head_dim;
  AttentionSpec a;
  a.module = source.stored(module);
  a.q = source.linear(module + ".q_proj", q_rows, d.hidden, d.qkv_bias);
  a.q_norm = {source.norm(module + ".q_norm", d.head_dim, d.norm)};
  a.takes_kv = shared.at(static_cast<size_t>(layer));
  if (a.takes_kv < 0) {
    a.k = source.linear(module + ".k_proj", kv_rows, d.hidden, d.qkv_bias);
    a.k_norm = {source.norm(module + ".k_norm", d.head_dim, d.norm)};
    if (has_v) a.v = source.linear(module + ".v_proj", kv_rows, d.hidden, d.qkv_bias);
    a.v_norm = source.norm("", d.head_dim, {.eps = d.norm.eps, .weight = false});
  }
  if (std::ranges::find(shared, layer) != shared.end()) a.keeps_kv = layer;
  a.o = source.linear(module + ".o_proj", d.hidden, q_rows, d.o_bias);
  a.heads = d.heads;
  a.kv_heads = d.kv_heads;
  a.head_dim = d.head_dim;
  a.scale = d.score_scale;
  a.window = d.windows.at(static_cast<size_t>(layer));
  a.rope = a.window > 0 ? 1 : 0;
  return a;
}

LayerInputsSpec layer_inputs(Source& source, const Decoder& d, int64_t width) {
  const std::string table = "embed_tokens_per_layer";
  LayerInputsSpec spec;
  spec.layers = d.layers;
  spec.width = width;
  spec.vocab = source.keys.size_or("vocab_size_per_layer_input", d.vocab);
  if (width > (int64_t{1} << 30) / d.layers) source.keys.refuse("hidden_size_per_layer_input", "less");
  spec.embedding = source.stored(table);
  spec.embedding_dense_name = source.dense(table) + ".weight";
  if (!source.has_module(spec.embedding)) source.linear(table, spec.vocab, width);  // says what is missing
  spec.multiplier = std::sqrt(static_cast<double>(width));
  spec.project = source.linear("per_layer_model_projection", d.layers * width, d.hidden);
  spec.project.multiplier = 1 / std::sqrt(static_cast<double>(d.hidden));
  spec.norm = source.norm("per_layer_projection_norm", width, d.norm);
  return spec;
}

LayerInputSpec layer_input(const Source& source, const Decoder& d, int64_t layer, int64_t width) {
  LayerInputSpec spec;
  spec.layer = layer;
  spec.activation = d.activation;
  spec.gate = source.linear(layer_name(d, layer, "per_layer_input_gate"), width, d.hidden);
  spec.project = source.linear(layer_name(d, layer, "per_layer_projection"), d.hidden, width);
  spec.norm = source.norm(layer_name(d, layer, "post_per_layer_input_norm"), d.hidden, d.norm);
  return spec;
}

}  // namespace assay

#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "support/support.h"

namespace assay::test {

/// A model that exists only as headers: config.json and a safetensors file full of zeros.
struct TinyModel {
  Json config;
  std::map<std::string, std::vector<int64_t>> tensors;

  /// Writes it into `folder` and opens it.
  Checkpoint write(const TempDir& folder) const {
    Json header = Json::object();
    uint64_t end = 0;
    for (const auto& [name, shape] : tensors) {
      uint64_t bytes = 2;
      for (const int64_t size : shape) bytes *= static_cast<uint64_t>(size);
      header[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {end, end + bytes}}};
      end += bytes;
    }
    const std::string text = header.dump();
    std::string file(8, '\0');
    for (int i = 0; i < 8; ++i) file[i] = static_cast<char>(text.size() >> (8 * i));
    write_text(folder / "model.safetensors", file + text + std::string(end, '\0'));
    write_text(folder / "config.json", config.dump());
    return Checkpoint::open(folder.path());
  }
};

/// Two layers, hidden 16, 4 heads of 8 with 2 key/value heads, MLP 24, vocabulary 32.
inline TinyModel tiny_llama() {
  TinyModel model;
  model.config = {{"model_type", "llama"},        {"vocab_size", 32},     {"hidden_size", 16},
                  {"intermediate_size", 24},      {"head_dim", 8},        {"num_hidden_layers", 2},
                  {"num_attention_heads", 4},     {"rms_norm_eps", 1e-3}, {"num_key_value_heads", 2},
                  {"max_position_embeddings", 64}};
  model.tensors = {{"model.embed_tokens.weight", {32, 16}}, {"model.norm.weight", {16}}, {"lm_head.weight", {32, 16}}};
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    model.tensors[layer + "input_layernorm.weight"] = {16};
    model.tensors[layer + "post_attention_layernorm.weight"] = {16};
    model.tensors[layer + "self_attn.q_proj.weight"] = {32, 16};
    model.tensors[layer + "self_attn.k_proj.weight"] = {16, 16};
    model.tensors[layer + "self_attn.v_proj.weight"] = {16, 16};
    model.tensors[layer + "self_attn.o_proj.weight"] = {16, 32};
    model.tensors[layer + "mlp.gate_proj.weight"] = {24, 16};
    model.tensors[layer + "mlp.up_proj.weight"] = {24, 16};
    model.tensors[layer + "mlp.down_proj.weight"] = {16, 24};
  }
  return model;
}

}  // namespace assay::test

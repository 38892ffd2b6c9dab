#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf.h"

namespace assay {

/// A GGUF model as the Hugging Face checkpoint that it was converted from: config.json, and tensors under the names and
/// in the shapes of that checkpoint. No byte moves: a tensor says where in the file it lies and in which order its rows
/// stand there.
struct GgufModel {
  Json config;
  std::map<std::string, StoredTensor, std::less<>> tensors;
};

using GgufTensors = std::map<std::string, StoredTensor, std::less<>>;
/// Reads a whole tensor.
using GgufRead = std::function<std::vector<std::byte>(const StoredTensor&)>;

/// An architecture without a map keeps its names; then config.json has a model_type that nobody knows.
GgufModel translate_gguf(const GgufMetadata& metadata, const GgufTensors& tensors, const GgufRead& read);

namespace gguf {

/// How the stored rows of a tensor make those of the Hugging Face tensor.
enum class Rows : uint8_t {
  same,
  rotary,       ///< of each head, pairs that rotate together are neighbours
  by_part,      ///< all q, then all k, then all v, where HF has for each kv head its queries, key and value
  one_row,      ///< a matrix [1, in], perhaps stored as a vector
  each_expert,  ///< a stack [experts, out, in], one tensor an expert; {} in the name is its number
  parameter,    ///< same, under the name alone, without ".weight"
};

/// "attn_q" of a layer, or "output_norm", and what it is called in the Hugging Face checkpoint.
struct Name {
  std::string_view stored;
  std::string_view name;
  Rows rows = Rows::same;
};

class Config;

/// One `general.architecture`: what is not as in most of them.
struct Architecture {
  std::string_view name;
  const char* model_type;
  const char* activation = "silu";
  bool rotary_rows = false;     ///< the converter reorders rows of q and k
  bool norms_plus_one = false;  ///< the converter adds 1 to the weights of norms
  const char* norm_eps = "rms_norm_eps";
  std::string_view layers = "model.layers.";
  std::span<const Name> names = {};
  void (*finish)(Config&) = nullptr;  ///< keys of its own
  std::string_view sign = {};         ///< a tensor that tells it from a later row of the same name
};

/// All of them.
std::span<const Architecture> architectures();

/// config.json in the making.
class Config {
 public:
  Config(const GgufMetadata& metadata, const GgufTensors& tensors, const GgufRead& read,
         const Architecture& architecture);

  /// "<architecture>.<name>"
  std::string key(std::string_view name) const;
  bool has(std::string_view name) const { return metadata.has(key(name)); }
  int64_t integer(std::string_view name) const { return metadata.integer(key(name)); }
  double number(std::string_view name) const { return metadata.number(key(name)); }
  /// A number that llama.cpp allows to differ by layer, but not here.
  int64_t same_in_all_layers(std::string_view name) const;
  bool stores(std::string_view tensor) const { return tensors.find(tensor) != tensors.end(); }
  /// config[to] = a number of the metadata, if it is there.
  void copy(std::string_view from, const char* to);
  /// Moves a key of the usual name to another one.
  void rename(const char* from, const char* to);

  int64_t head_dim() const { return head_dim_; }
  /// Checked against the number of tensors.
  int64_t layers() const;
  /// A small F32 tensor.
  std::vector<float> vector(std::string_view tensor) const;

  const GgufMetadata& metadata;
  const GgufTensors& tensors;
  Json json;

 private:
  void add_sizes();
  void add_rope();
  void add_rope_scaling();

  const GgufRead& read_;
  const Architecture& architecture_;
  int64_t head_dim_ = 0;
};

}  // namespace gguf
}  // namespace assay

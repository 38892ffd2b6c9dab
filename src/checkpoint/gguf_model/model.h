#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
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
  std::vector<std::string> notes;
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
  convolution,  ///< weights [channels, 1, kernel], stored without the 1
  flat,         ///< a vector, stored in several rows
  one_row_parameter,
  each_head,  ///< a stack [heads, out, in], one below the other
  q_k_v,      ///< all q, then all k, then all v, one tensor each; {} in the name is the letter
};

/// How value heads of linear attention stand in a tensor.
enum class Values : uint8_t {
  none,
  heads,    ///< one row a head
  rows,     ///< the last rows are those of the heads
  columns,  ///< one run of columns a head
};

/// "attn_q" of a layer, or "output_norm", and what it is called in the Hugging Face checkpoint. Where the first name
/// has a suffix of its own ("ffn_gate_inp.scale") the second one has too.
struct Name {
  std::string_view stored;
  std::string_view name;
  Rows rows = Rows::same;
  Values values = Values::none;
};

/// What a list with one number for each layer may hold.
enum class Lists : uint8_t {
  uniform,  ///< the same number
  zeros,    ///< the same, or 0 in layers without attention
  any,      ///< different ones; `finish` reads them
};

class Config;

/// One `general.architecture`: what is not as in most of them.
struct Architecture {
  std::string_view name;
  const char* model_type;
  const char* activation = "silu";
  bool rotary_rows = false;     ///< the converter reorders rows of q and k
  bool norms_plus_one = false;  ///< the converter adds 1 to the weights of norms
  bool latent = false;          ///< attention from a latent state, whose heads `finish` describes
  const char* norm_eps = "rms_norm_eps";
  std::string_view layers = "model.layers.";
  std::span<const Name> names = {};
  void (*finish)(Config&) = nullptr;         ///< keys of its own
  std::span<const char* const> unused = {};  ///< usual keys that its config does not have
  std::string_view sign = {};                ///< a tensor that tells it from a later row of the same name
  Lists lists = Lists::uniform;
  bool has_attention = true;  ///< files of mere state spaces say 0 heads
  bool own_rope = false;      ///< `finish` makes it
  bool dealt_values = false;  ///< the first value head of every key head comes before the second of any
};

/// What models without rope and with a key and a value for each query do not say.
inline constexpr const char* kSizesOfOldGpts[] = {"num_key_value_heads", "rope_theta", "partial_rotary_factor"};

/// All of them: the first ones, further decoders, mixtures of experts, those with other mixers or several streams.
std::span<const Architecture> architectures();
std::span<const Architecture> decoders();
std::span<const Architecture> mixtures();
std::span<const Architecture> hybrids();

/// config.json in the making.
class Config {
 public:
  Config(const GgufMetadata& metadata, const GgufTensors& tensors, const GgufRead& read,
         const Architecture& architecture);

  /// "<architecture>.<name>", which counts as read.
  std::string key(std::string_view name) const;
  bool has(std::string_view name) const { return metadata.has(key(name)); }
  int64_t integer(std::string_view name) const { return metadata.integer(key(name)); }
  int64_t integer_or(std::string_view name, int64_t otherwise) const {
    return metadata.integer_or(key(name), otherwise);
  }
  double number(std::string_view name) const { return metadata.number(key(name)); }
  /// A number that llama.cpp allows to differ by layer, but not here.
  int64_t same_in_all_layers(std::string_view name) const;
  /// One for each layer.
  std::vector<int64_t> of_layers(std::string_view name) const;
  bool stores(std::string_view tensor) const { return tensors.find(tensor) != tensors.end(); }
  bool stores(int64_t layer, std::string_view tensor) const;
  /// Whether any layer does.
  bool layers_store(std::string_view tensor) const;
  /// config[to] = a number of the metadata, if it is there.
  void copy(std::string_view from, const char* to);
  /// A number as the config had it, most likely.
  double shortest_or(std::string_view name, double otherwise) const;
  /// A tensor of one element for each layer, {} in its name, whose values are an array of the metadata.
  void add_scalars(const std::string& key, const std::string& name);
  /// A key that changes the maths is known and not applied, with a note.
  void ignore(std::string_view name, const std::string& why);
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
  GgufTensors made;  ///< tensors that the file does not hold as such
  std::vector<std::string> notes;

 private:
  std::string full_key(std::string_view name) const;
  int64_t common_to_layers(std::string_view name) const;
  /// Error for a key of the metadata that changes the maths and that nobody has read.
  void check_unread() const;
  void add_sizes();
  void add_attention();
  void add_head_size(int64_t heads);
  void add_rope();
  void add_rope_scaling();

  const GgufRead& read_;
  const Architecture& architecture_;
  int64_t head_dim_ = 0;
  mutable std::set<std::string, std::less<>> asked_;
};

/// The share of `whole` that comes out as `part` again when it is multiplied and rounded down.
double share(int64_t part, int64_t whole);

/// The factors of all Granites.
void add_granite_factors(Config& config);

}  // namespace gguf
}  // namespace assay

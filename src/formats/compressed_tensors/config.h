#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/format.h"
#include "formats/shared/pattern.h"

namespace assay::compressed_tensors {

inline constexpr const char* kMethod = "compressed-tensors";

/// One "QuantizationArgs" of the config: how weights or activations are quantized.
struct QuantArgs {
  enum class Strategy : uint8_t { tensor, channel, group, block, token, tensor_group, attn_head };
  enum class Dynamic : uint8_t { no, yes, local };

  std::string where;  // for messages
  int bits = 8;
  bool is_float = false;
  bool symmetric = true;
  Strategy strategy = Strategy::tensor;
  Dynamic dynamic = Dynamic::no;
  int64_t group_size = 0;  // 0: none
  int64_t block_rows = 0, block_cols = 0;
  std::string scale_dtype;

  QuantArgs() = default;
  explicit QuantArgs(const JsonObject& json);
  /// "4-bit float, groups of 16", for messages.
  std::string describe() const;
};
std::string_view name_of(QuantArgs::Strategy strategy);

/// One entry of "config_groups".
struct Group {
  std::string name;
  std::string format;  // the top-level one where the group names none
  std::optional<QuantArgs> weights, inputs, outputs;
};

/// What a module is called and what it is: targets may name either.
struct Subject {
  std::string_view name;
  std::string_view class_name;  // "Linear", "Embedding"; "Attention" stands for every class of that ending
};

/// An entry of "targets" or "ignore": a full name, a class name, or a regex after "re:".
class Target {
 public:
  Target(std::string text, const std::string& where);
  bool matches(const Subject& subject) const;
  bool names_class(std::string_view class_name) const;
  const std::string& text() const { return text_; }
  const std::optional<Pattern>& pattern() const { return pattern_; }

 private:
  std::string text_;
  std::optional<Pattern> pattern_;
};

/// One "apply" entry of a transform group.
struct Transform {
  std::string where;  // for messages
  std::string group;
  std::string type;  // "hadamard", "random-hadamard", ...
  std::string location;
  int64_t head_dim = 0;  // 0: the full width
  bool inverse = false;
  std::vector<Target> targets, ignore;

  bool applies(const Subject& subject) const;
};

/// The parsed config of a compressed-tensors checkpoint.
class Config {
 public:
  explicit Config(const QuantConfig& config);

  /// The group that quantizes a module, or null. A name beats a regex beats a class; of several regexes the first in
  /// sorted order wins, wherever they stand in the file.
  const Group* group_of(const Subject& subject) const;

  const std::optional<QuantArgs>& kv_cache() const { return kv_cache_; }
  const std::vector<Transform>& transforms() const { return transforms_; }
  const std::string& sparsity_format() const { return sparsity_format_; }

  /// The stored matrix [n, n] of a transform group: there is one for each size, wherever in the checkpoint it stands.
  const StoredTensor* transform_matrix(const Checkpoint& checkpoint, const std::string& group, int64_t n) const;

 private:
  void add_group(const std::string& name, const JsonObject& json, const std::string& format);
  void add_transforms(const std::string& name, const JsonObject& json);

  std::vector<std::unique_ptr<Group>> groups_;
  std::map<std::string, std::pair<Target, const Group*>> targets_;
  std::vector<Target> ignore_;
  std::optional<QuantArgs> kv_cache_;
  std::vector<Transform> transforms_;
  std::string sparsity_format_;

  mutable std::once_flag matrices_once_;
  mutable std::map<std::pair<std::string, int64_t>, const StoredTensor*> matrices_;
};

}  // namespace assay::compressed_tensors

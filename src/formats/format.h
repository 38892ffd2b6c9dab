#pragma once
#include <any>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <typeindex>
#include <vector>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "formats/shared/activation.h"

namespace assay {

/// A checkpoint is fine but declares a quantization of activations that is not known.
class CannotEmulate : public Error {
 public:
  using Error::Error;
};

/// What a stored tensor contributes to its weight; storage is reported by these.
/// Everything from `bias` on is stored with the module but is not needed to reconstruct the weight.
enum class Role : uint8_t {
  weights,
  codes,
  scales,
  global_scales,
  zero_points,
  indices,
  permutation,
  codebooks,
  norms,
  masks,
  signs,
  bias,
  activation_scales,
  shape,
  transform,
  other,
};
std::string_view name_of(Role role);
inline bool counts_as_weight(Role role) {
  return role < Role::bias;
}

/// The checkpoint's quantization config, from whichever file it stands in. Each method parses its own view of it once.
class QuantConfig {
 public:
  /// Looks into config.json (also text_config, compression_config) and the side files of older tools.
  static QuantConfig of(const Checkpoint& checkpoint);
  QuantConfig(std::string method, Json json, std::string where);

  /// "compressed-tensors", "gptq", ...; empty for an unquantized checkpoint.
  const std::string& method() const { return method_; }
  const Json& json() const { return *json_; }
  /// For messages: "config.json: quantization_config".
  const std::string& where() const { return where_; }

  /// T(const QuantConfig&), made on first use and shared. Thread-safe.
  template <class T>
  const T& parsed() const {
    std::lock_guard lock(cache_->mutex);
    std::any& slot = cache_->views[std::type_index(typeid(T))];
    if (!slot.has_value()) slot = std::make_shared<const T>(*this);
    return **std::any_cast<std::shared_ptr<const T>>(&slot);
  }

 private:
  struct Cache {
    std::recursive_mutex mutex;
    std::map<std::type_index, std::any> views;
  };
  std::string method_;
  std::shared_ptr<const Json> json_;
  std::string where_;
  std::shared_ptr<Cache> cache_;
};

/// The stored tensors of one module ("model.layers.0.mlp.up_proj") and the config that applies to it: all that a format
/// may look at. A module may also be a bare parameter (a stacked expert tensor): then `parameter()` is its tensor.
class Module {
 public:
  enum class Kind : uint8_t { linear, embedding };

  /// Rows and columns of a weight.
  struct Size {
    int64_t rows = 0, cols = 0;
  };

  Module(const Checkpoint& checkpoint, const QuantConfig& config, std::string name, Kind kind = Kind::linear,
         std::optional<Size> wanted = std::nullopt);

  const std::string& name() const { return name_; }
  Kind kind() const { return kind_; }
  /// The size that the model needs, where it is known: a few formats do not store it.
  const std::optional<Size>& wanted() const { return wanted_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const QuantConfig& config() const { return *config_; }

  /// The tensor "<name>.<suffix>", or null.
  const StoredTensor* find(std::string_view suffix) const;
  bool has(std::string_view suffix) const { return find(suffix) != nullptr; }
  /// Error with the whole picture when absent.
  const StoredTensor& at(std::string_view suffix) const;
  /// The tensor called exactly like the module, or null.
  const StoredTensor* parameter() const;
  /// Every tensor "<name>.<suffix>" without a further dot in the suffix, plus parameter().
  std::vector<const StoredTensor*> tensors() const;

  /// Error: "<module>: <message>" followed by all stored tensors with dtype and shape and the config that applies.
  [[noreturn]] void refuse(const std::string& message) const;
  /// CannotEmulate with the same picture.
  [[noreturn]] void cannot_emulate(const std::string& message) const;
  /// Refuses unless the tensor has this dtype (one of) and shape; -1 in `shape` matches any size.
  const StoredTensor& expect(std::string_view suffix, std::initializer_list<DType> dtypes,
                             const std::vector<int64_t>& shape) const;

 private:
  std::string picture(const std::string& message) const;

  const Checkpoint* checkpoint_;
  const QuantConfig* config_;
  std::string name_;
  Kind kind_;
  std::optional<Size> wanted_;
};

/// What `make` returns. Where it throws CannotEmulate, a quantization that says so to who wants to emulate it: the
/// weights can be inspected, exported and measured all the same.
template <class Make>
ActivationQuant declared_quant(Make&& make) {
  try {
    return make();
  } catch (const CannotEmulate& e) {
    ActivationQuant quant;
    quant.element = ActivationQuant::Element::other;
    quant.refusal = e.what();
    return quant;
  }
}

/// One stored tensor of a weight and what it is for.
struct StoredPart {
  Role role;
  const StoredTensor* tensor;
};

/// y = x * M / sqrt(n) applied to every block of n columns of a linear layer's input or output at run time.
struct OnlineTransform {
  std::string name;            // of the stored matrix: equal names mean equal transforms
  const StoredTensor* matrix;  // [n, n], +-1
  int64_t n = 0;
  bool inverse = false;  // use M transposed
};

/// An opened, validated weight matrix [rows, cols] = [out, in] of some format. Opening looks at headers only; bytes are
/// read by decode(). One subclass per format.
class StoredWeight {
 public:
  explicit StoredWeight(const Module& module) : module_(module) {}
  virtual ~StoredWeight() = default;
  StoredWeight(const StoredWeight&) = delete;
  StoredWeight& operator=(const StoredWeight&) = delete;

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  const Module& module() const { return module_; }
  const std::string& name() const { return module_.name(); }

  /// Name of format and variant: "compressed-tensors/nvfp4-pack-quantized", "dense/bf16".
  virtual std::string format() const = 0;

  /// Decodes rows [begin, end) into out [end - begin, cols] float32, row-major: exactly what the stored bits mean.
  /// Reads what it needs of the file, no more memory than the tile needs. Thread-safe. Throws Error.
  virtual void decode(int64_t begin, int64_t end, float* out) const = 0;

  /// Tiles that begin at multiples of this many rows decode without waste.
  virtual int64_t row_alignment() const { return 1; }

  /// Every stored tensor of the module, with its role.
  const std::vector<StoredPart>& parts() const { return parts_; }

  /// Quantization of this layer's inputs and outputs as the checkpoint declares it.
  const ActivationQuant& input_quant() const { return input_quant_; }
  const ActivationQuant& output_quant() const { return output_quant_; }
  const std::optional<OnlineTransform>& input_transform() const { return input_transform_; }
  const std::optional<OnlineTransform>& output_transform() const { return output_transform_; }

 protected:
  Module module_;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  std::vector<StoredPart> parts_;
  ActivationQuant input_quant_;
  ActivationQuant output_quant_;
  std::optional<OnlineTransform> input_transform_;
  std::optional<OnlineTransform> output_transform_;
};

/// What a row of formats.def says about itself; `assay formats` and docs/formats.md print it.
struct FormatInfo {
  const char* name;    ///< "nvfp4-pack-quantized"
  const char* family;  ///< "compressed-tensors"
  const char* bits;    ///< "4", "2-8"
  const char* layout;  ///< one line: stored tensors
};

struct Format {
  FormatInfo info;
  bool (*matches)(const Module&);
  std::unique_ptr<StoredWeight> (*open)(const Module&);
};

/// All rows of formats.def, in order of precedence.
const std::vector<Format>& formats();

/// The first format that matches. Error with the whole picture (module, tensors, config, nearest formats) when none
/// does.
std::unique_ptr<StoredWeight> open_weight(const Module& module);

/// What the checkpoint declares about one attention module ("model.layers.0.self_attn"): quantization of K (after RoPE)
/// and V as a cache would hold them, of Q, and rotations of Q and K after RoPE.
struct AttentionQuant {
  ActivationQuant q, k, v;
  std::optional<OnlineTransform> q_transform, k_transform;
  std::vector<StoredPart> parts;  // k_scale, v_scale, ...
};
AttentionQuant open_attention_quant(const Checkpoint& checkpoint, const QuantConfig& config, const std::string& module);

/// M / sqrt(n) of a transform (transposed when `inverse`), as the row-major [n, n] weight W of y = x W^T.
std::vector<float> load_transform(const Checkpoint& checkpoint, const OnlineTransform& transform);

/// A stored float tensor of any shape as float32 (norms, biases, scales). Error when its dtype is no float.
std::vector<float> read_floats(const Checkpoint& checkpoint, const StoredTensor& tensor);

}  // namespace assay

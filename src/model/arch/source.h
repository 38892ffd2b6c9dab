#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/arch/keys.h"
#include "model/spec.h"

namespace assay {

/// How a model norms: the same in all its layers.
struct NormStyle {
  NormSpec::Kind kind = NormSpec::Kind::rms;
  double eps = 0;
  bool weight = true, bias = false;
  double weight_offset = 0;
};

/// Where a linear stands in a stored module that holds several.
struct Rows {
  int64_t stored = 0;  ///< rows of the whole module
  int64_t first = 0;
  int64_t run = 0, stride = 0;  ///< as LinearSpec has them
};

/// What an architecture file makes a ModelSpec from: the config and the stored names. Everything it hands out has been
/// found in the checkpoint. `name` is relative to the decoder: "layers.0.self_attn.q_proj".
class Source {
 public:
  Source(const Checkpoint& checkpoint, Keys& keys, std::optional<bool> tied = {})
      : checkpoint(checkpoint), keys(keys), tied_(tied) {}

  const Checkpoint& checkpoint;
  Keys& keys;

  /// Finds the prefix under which this file stores the decoder, by the name of its embedding: "model." in a plain
  /// checkpoint of most architectures, `plain` in that of others.
  void locate(const std::string& embedding, const std::string& plain = "model.");
  /// Plain weights of linears are stored as [in, out] in this architecture. Quantizers and GGUF turn them round.
  void expect_transposed() { transposed_ = !checkpoint.gguf(); }
  std::string stored(const std::string& name) const { return prefix_ + name; }
  /// Hugging Face name of the plain model.
  std::string dense(const std::string& name) const { return plain_ + name; }

  /// Whether tensors of this name, or below it, are stored.
  bool has_module(std::string_view stored) const;

  /// A linear layer of its own. Error when it is not stored, naming the nearest names.
  LinearSpec linear(const std::string& name, int64_t out, int64_t in, bool bias = false) const;
  /// Some rows of a module; `part` is the name that they would have alone.
  LinearSpec linear_part(const std::string& name, const Rows& rows, const std::string& part, int64_t out, int64_t in,
                         bool bias = false) const;
  NormSpec norm(const std::string& name, int64_t width, const NormStyle& style) const;
  /// One norm for each head, stored as [heads, width].
  std::vector<NormSpec> head_norms(const std::string& name, int64_t heads, int64_t width, const NormStyle& style) const;
  /// Stored name of a tensor. Error when it is not there or has another shape.
  std::string tensor(const std::string& name, const std::vector<int64_t>& shape) const;
  /// The output head: a module of its own, or the embedding.
  LinearSpec head(const std::string& embedding, bool tied, int64_t vocab, int64_t width, bool bias) const;
  /// tie_word_embeddings; a multimodal wrapper's own key wins.
  bool tied(bool otherwise);

 private:
  const StoredTensor& tensor_at(const std::string& stored, const std::vector<int64_t>& shape) const;
  [[noreturn]] void missing_module(const std::string& stored) const;

  bool stored_transposed(const LinearSpec& linear) const;

  std::optional<bool> tied_;
  bool transposed_ = false;
  std::string prefix_, plain_ = "model.";
};

}  // namespace assay

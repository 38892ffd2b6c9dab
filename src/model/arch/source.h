#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/checkpoint.h"
#include "model/arch/keys.h"
#include "model/spec.h"

namespace assay {

/// What an architecture file makes a ModelSpec from: the config and the stored names. Everything it hands out has been
/// found in the checkpoint. `name` is relative to the decoder: "layers.0.self_attn.q_proj".
class Source {
 public:
  Source(const Checkpoint& checkpoint, Keys& keys, std::optional<bool> tied = {})
      : checkpoint(checkpoint), keys(keys), tied_(tied) {}

  const Checkpoint& checkpoint;
  Keys& keys;

  /// Finds out under which prefix the decoder's names stand ("model." in the plain model): the one with this module.
  void locate(const std::string& embedding);
  std::string stored(const std::string& name) const { return prefix_ + name; }
  /// Hugging Face name of the plain model.
  static std::string dense(const std::string& name) { return "model." + name; }

  /// Whether tensors of this name, or below it, are stored.
  bool has_module(std::string_view stored) const;

  /// A linear layer of its own. Error when it is not stored, naming the nearest names.
  LinearSpec linear(const std::string& name, int64_t out, int64_t in, bool bias = false) const;
  /// RMS norm over `size` components.
  NormSpec rms_norm(const std::string& name, int64_t size, double eps) const;
  /// The output head: a module of its own, or the embedding.
  LinearSpec head(const std::string& embedding, bool tied, int64_t vocab, int64_t hidden) const;
  /// tie_word_embeddings; a multimodal wrapper's own key wins.
  bool tied(bool otherwise);

 private:
  const StoredTensor& vector(const std::string& stored, int64_t size) const;
  [[noreturn]] void missing_module(const std::string& stored) const;

  std::optional<bool> tied_;
  std::string prefix_;
};

}  // namespace assay

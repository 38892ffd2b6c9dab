#include "model/arch/source.h"

#include <array>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace assay {

namespace {

/// Where decoders stand: alone, in a multimodal model (newer and older names), saved without their head.
constexpr std::array kPrefixes = {"model.", "model.language_model.", "language_model.model.", "language_model.", ""};
constexpr std::array kHeads = {"lm_head", "language_model.lm_head", "model.lm_head"};

/// A head that was quantized on its own is a head, whatever the config says about ties.
bool holds_more_than_weight(const Checkpoint& checkpoint, const std::string& module) {
  const std::string prefix = module + ".";
  for (auto it = checkpoint.tensors().lower_bound(prefix); it != checkpoint.tensors().end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    if (it->first != prefix + "weight" && it->first != prefix + "bias") return true;
  }
  return false;
}

}  // namespace

void Source::locate(const std::string& embedding) {
  for (const char* prefix : kPrefixes) {
    if (!has_module(prefix + embedding)) continue;
    prefix_ = prefix;
    return;
  }
  missing_module(kPrefixes[0] + embedding);
}

bool Source::has_module(std::string_view stored) const {
  const auto& tensors = checkpoint.tensors();
  const std::string below = std::string(stored) + ".";
  const auto it = tensors.lower_bound(below);
  return (it != tensors.end() && it->first.starts_with(below)) || tensors.contains(stored);
}

void Source::missing_module(const std::string& stored) const {
  std::vector<std::string> modules;
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    const std::string module = name.substr(0, name.rfind('.'));
    if (modules.empty() || modules.back() != module) modules.push_back(module);
  }
  const auto near = nearest(stored, modules);
  fail("{}: no tensor of module {}, which config.json calls for{}", checkpoint.path().string(), printable(stored),
       near ? "; the nearest module is " + printable(*near) : "");
}

const StoredTensor& Source::vector(const std::string& stored, int64_t size) const {
  const StoredTensor& tensor = checkpoint.at(stored);
  if (tensor.shape.size() == 1 && tensor.shape[0] == size) return tensor;
  fail("{}: tensor {}: config.json calls for shape [{}], found {}", checkpoint.path().string(), printable(stored), size,
       tensor.describe());
}

LinearSpec Source::linear(const std::string& name, int64_t out, int64_t in, bool bias) const {
  LinearSpec linear;
  linear.module = stored(name);
  linear.dense_name = dense(name) + ".weight";
  linear.out = linear.stored_rows = out;
  linear.in = in;
  if (!has_module(linear.module)) missing_module(linear.module);
  if (bias) linear.bias = vector(linear.module + ".bias", out).name;
  return linear;
}

NormSpec Source::rms_norm(const std::string& name, int64_t size, double eps) const {
  NormSpec norm;
  norm.eps = eps;
  norm.weight = vector(stored(name) + ".weight", size).name;
  return norm;
}

LinearSpec Source::head(const std::string& embedding, bool tied, int64_t vocab, int64_t hidden) const {
  LinearSpec head;
  head.dense_name = "lm_head.weight";
  head.out = head.stored_rows = vocab;
  head.in = hidden;
  for (const char* module : kHeads) {
    if (!has_module(module) || (tied && !holds_more_than_weight(checkpoint, module))) continue;
    head.module = module;
    return head;
  }
  if (!tied) missing_module(kHeads[0]);
  head.module = embedding;
  return head;
}

bool Source::tied(bool otherwise) {
  const bool own = keys.boolean_or("tie_word_embeddings", otherwise);
  return tied_.value_or(own);
}

}  // namespace assay

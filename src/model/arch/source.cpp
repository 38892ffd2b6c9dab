#include "model/arch/source.h"

#include <fmt/ranges.h>

#include <array>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace assay {

namespace {

/// Where decoders stand: alone, in a multimodal model (newer and older names), saved without their head.
constexpr std::array kPrefixes = {"model.",
                                  "model.language_model.",
                                  "language_model.model.",
                                  "language_model.",
                                  "model.text_model.",
                                  "thinker.model.",
                                  "llm.model.",
                                  "decoder.",
                                  ""};
constexpr std::array kHeads = {"lm_head",       "language_model.lm_head", "model.language_model.lm_head",
                               "model.lm_head", "thinker.lm_head",        "llm.lm_head",
                               "embed_out"};

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

void Source::locate(const std::string& embedding, const std::string& plain) {
  plain_ = plain;
  std::vector<std::string> prefixes = {plain};
  prefixes.insert(prefixes.end(), kPrefixes.begin(), kPrefixes.end());
  for (const std::string& prefix : prefixes) {
    if (!has_module(prefix + embedding)) continue;
    prefix_ = prefix;
    return;
  }
  missing_module(plain + embedding);
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

const StoredTensor& Source::tensor_at(const std::string& stored, const std::vector<int64_t>& shape) const {
  const StoredTensor& tensor = checkpoint.at(stored);
  if (tensor.shape == shape) return tensor;
  fail("{}: tensor {}: config.json calls for shape [{}], found {}", checkpoint.path().string(), printable(stored),
       fmt::join(shape, ", "), tensor.describe());
}

std::string Source::tensor(const std::string& name, const std::vector<int64_t>& shape) const {
  return tensor_at(stored(name), shape).name;
}

LinearSpec Source::linear(const std::string& name, int64_t out, int64_t in, bool bias) const {
  return linear_part(name, {.stored = out}, name, out, in, bias);
}

LinearSpec Source::linear_part(const std::string& name, const Rows& rows, const std::string& part, int64_t out,
                               int64_t in, bool bias) const {
  LinearSpec linear;
  linear.module = stored(name);
  linear.dense_name = dense(part) + ".weight";
  linear.out = out;
  linear.in = in;
  linear.stored_rows = rows.stored;
  linear.first_row = rows.first;
  linear.run = rows.run;
  linear.stride = rows.stride;
  if (!has_module(linear.module)) missing_module(linear.module);
  if (transposed_ && stored_transposed(linear)) linear.stack_rows = linear.stored_rows;
  if (bias) linear.bias = tensor_at(linear.module + ".bias", {rows.stored}).name;
  return linear;
}

bool Source::stored_transposed(const LinearSpec& linear) const {
  if (checkpoint.gguf()) return false;  // its converter turns them round
  const StoredTensor* weight = checkpoint.find(linear.module + ".weight");
  return weight && is_float(weight->dtype) && !holds_more_than_weight(checkpoint, linear.module);
}

NormSpec Source::norm(const std::string& name, int64_t width, const NormStyle& style) const {
  NormSpec norm;
  norm.kind = style.kind;
  norm.width = width;
  norm.eps = style.eps;
  norm.weight_offset = style.weight_offset;
  if (style.weight) norm.weight = tensor(name + ".weight", {width});
  if (style.bias) norm.bias = tensor(name + ".bias", {width});
  return norm;
}

std::vector<NormSpec> Source::head_norms(const std::string& name, int64_t heads, int64_t width,
                                         const NormStyle& style) const {
  NormSpec norm;
  norm.kind = style.kind;
  norm.width = width;
  norm.eps = style.eps;
  norm.weight_offset = style.weight_offset;
  norm.weight = tensor_at(stored(name) + ".weight", {heads, width}).name;
  norm.parts = heads;
  std::vector<NormSpec> norms(static_cast<size_t>(heads), norm);
  for (int64_t h = 0; h < heads; ++h) norms[h].part = h;
  return norms;
}

LinearSpec Source::head(const std::string& embedding, bool tied, int64_t vocab, int64_t width, bool bias) const {
  LinearSpec head;
  head.dense_name = "lm_head.weight";
  head.out = head.stored_rows = vocab;
  head.in = width;
  for (const char* module : kHeads) {
    if (!has_module(module) || (tied && !holds_more_than_weight(checkpoint, module))) continue;
    head.module = module;
    if (bias) head.bias = tensor_at(head.module + ".bias", {vocab}).name;
    return head;
  }
  if (!tied) missing_module(kHeads[0]);
  head.module = embedding;
  for (const char* module : kHeads) {
    if (bias && checkpoint.find(std::string(module) + ".bias") != nullptr)
      head.bias = tensor_at(std::string(module) + ".bias", {vocab}).name;
  }
  return head;
}

bool Source::tied(bool otherwise) {
  const bool own = keys.boolean_or("tie_word_embeddings", otherwise);
  return tied_.value_or(own);
}

}  // namespace assay

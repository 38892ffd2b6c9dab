#include "model/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "checkpoint/printable.h"
#include "formats/compressed_tensors/config.h"
#include "formats/gguf/runtime.h"

namespace assay {

namespace {

bool is_plain(const std::string& format) {
  return format.starts_with("dense/");
}

std::string family_of(const std::string& format) {
  return format.substr(0, format.find('/'));
}

/// Most first; equals by name.
template <class Count>
std::vector<std::string> by_share(const std::map<std::string, Count>& counts) {
  std::vector<std::string> names;
  for (const auto& [name, count] : counts) names.push_back(name);
  std::stable_sort(names.begin(), names.end(),
                   [&](const std::string& a, const std::string& b) { return counts.at(a) > counts.at(b); });
  return names;
}

std::string element_of(const ActivationQuant& quant) {
  switch (quant.element) {
    case ActivationQuant::Element::none:
      return "none";
    case ActivationQuant::Element::e4m3:
      return "E4M3";
    case ActivationQuant::Element::e5m2:
      return "E5M2";
    case ActivationQuant::Element::e2m1:
      return "E2M1";
    case ActivationQuant::Element::f16:
      return "float16";
    case ActivationQuant::Element::bf16:
      return "bfloat16";
    case ActivationQuant::Element::other:
      return "of a kind that cannot be emulated";
    case ActivationQuant::Element::integer:
      break;
  }
  return fmt::format("int{}{}", quant.bits, quant.symmetric ? "" : " asymmetric");
}

}  // namespace

std::string describe(const ActivationQuant& quant) {
  std::string text = element_of(quant);
  const bool scaled = quant.element != ActivationQuant::Element::f16 &&
                      quant.element != ActivationQuant::Element::bf16 &&
                      quant.element != ActivationQuant::Element::other;
  if (!quant.active() || !scaled) return text;
  switch (quant.scope) {
    case ActivationQuant::Scope::tensor:
      text += ", static scale";
      break;
    case ActivationQuant::Scope::token:
      text += ", one scale a token";
      break;
    case ActivationQuant::Scope::call:
      text += ", one scale a token";
      if (quant.outlier_threshold > 0) text += fmt::format(", columns that reach {} kept", quant.outlier_threshold);
      break;
    case ActivationQuant::Scope::group:
      text += fmt::format(", one scale for {} columns", quant.group_size);
      break;
  }
  switch (quant.scale_rule) {
    case ActivationQuant::ScaleRule::plain:
    case ActivationQuant::ScaleRule::half:
      break;
    case ActivationQuant::ScaleRule::nvfp4:
    case ActivationQuant::ScaleRule::nvfp4_multiply:
    case ActivationQuant::ScaleRule::nvfp4_inverse:
      text += " (NVFP4)";
      break;
    case ActivationQuant::ScaleRule::power_of_two:
      text += quant.group_size == 32 ? " (MX)" : ", a power of two";
      break;
    case ActivationQuant::ScaleRule::mx:
    case ActivationQuant::ScaleRule::mx_even:
    case ActivationQuant::ScaleRule::mx_floor:
    case ActivationQuant::ScaleRule::mx_ceil:
      text += " (MX)";
      break;
    case ActivationQuant::ScaleRule::e5m3:
      text += " (E5M3 scales)";
      break;
  }
  return text;
}

void Summary::add(const StoredWeight& weight, Place place) {
  const std::string format = weight.format();
  if (place == Place::decoder || !is_plain(format)) {
    formats_[format] += static_cast<uint64_t>(weight.rows()) * static_cast<uint64_t>(weight.cols());
  }
  if (place == Place::decoder) {
    ++linears_;
    if (weight.input_quant().active()) ++inputs_[describe(weight.input_quant())];
    if (weight.output_quant().active()) ++others_["outputs " + describe(weight.output_quant())];
  }
  compare_with_config(weight);
}

void Summary::add(const AttentionQuant& attention) {
  if (attention.q.active()) ++others_["queries " + describe(attention.q)];
  if (attention.k.active()) ++others_["KV cache " + describe(attention.k)];
}

void Summary::compare_with_config(const StoredWeight& weight) {
  const std::string format = weight.format();
  std::string said;
  if (config_.method() == compressed_tensors::kMethod) {
    const bool embedding = weight.module().kind() == Module::Kind::embedding;
    const auto& config = config_.parsed<compressed_tensors::Config>();
    const auto* group = config.group_of({weight.name(), embedding ? "Embedding" : "Linear"});
    const bool says_quantized = group && group->weights && group->format != "dense";
    const bool says_sparse = !config.sparsity_format().empty() && config.sparsity_format() != "dense";
    if (says_quantized == !is_plain(format) || (says_sparse && !is_plain(format))) return;
    said = says_quantized ? fmt::format("config group {} quantizes it", printable(group->name))
                          : "the config leaves it plain";
  } else if (format.starts_with("bitsandbytes/") && config_.method() == "bitsandbytes") {
    const JsonObject json(config_.json(), config_.where());
    const bool int8 = format == "bitsandbytes/int8";
    if (json.boolean_or(int8 ? "load_in_8bit" : "load_in_4bit", true)) return;
    said = fmt::format("the config says load_in_{}bit", int8 ? 4 : 8);
  } else if (is_plain(format) || family_of(format) == config_.method() || family_of(format) == gguf::kMethod) {
    return;
  } else {
    said = config_.method().empty() ? "the config declares no quantization"
                                    : "the config says " + printable(config_.method());
  }
  Mismatch& mismatch = mismatches_[fmt::format("{}, but it is stored as {}", said, format)];
  if (mismatch.modules++ == 0) mismatch.first = weight.name();
}

std::string Summary::format() const {
  std::string text, family;
  std::set<std::string> named;
  for (const std::string& format : by_share(formats_)) {
    if (family_of(format) != family) {
      family = family_of(format);
      text += (text.empty() ? "" : "+") + family + "/";
      named.clear();
    } else {
      text += '+';
    }
    // A variant may be a combination itself.
    std::istringstream variants(format.substr(family.size() + 1));
    for (std::string variant; std::getline(variants, variant, '+');) {
      if (named.insert(variant).second) text += variant + "+";
    }
    text.pop_back();
  }
  return text;
}

std::string Summary::activations() const {
  std::vector<std::string> texts;
  for (const std::string& text : by_share(inputs_)) {
    const int64_t linears = inputs_.at(text);
    texts.push_back(linears == linears_ ? text : fmt::format("{} ({} of {} linears)", text, linears, linears_));
  }
  std::ranges::copy(by_share(others_), std::back_inserter(texts));
  return texts.empty() ? "none" : fmt::format("{}", fmt::join(texts, "; "));
}

std::vector<std::string> Summary::mismatches() const {
  std::vector<std::string> texts;
  const bool quantized =
      std::any_of(formats_.begin(), formats_.end(), [](const auto& f) { return !is_plain(f.first); });
  if (!config_.method().empty() && config_.method() != gguf::kMethod && !quantized) {
    texts.push_back(fmt::format("{} says {}, but every weight of the layers is plain", config_.where(),
                                printable(config_.method())));
  }
  for (const auto& [text, mismatch] : mismatches_) {
    texts.push_back(mismatch.modules == 1
                        ? fmt::format("{}: {}", mismatch.first, text)
                        : fmt::format("{} and {} more: {}", mismatch.first, mismatch.modules - 1, text));
  }
  return texts;
}

}  // namespace assay

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "formats/format.h"
#include "formats/known_names.h"

// The header of every format; the rows themselves come below.
#define ASSAY_FORMAT(Class)
#include "formats/formats.def"
#undef ASSAY_FORMAT

namespace assay {

const std::vector<Format>& formats() {
  static const std::vector<Format> list = {
#define ASSAY_FORMAT(Class)       \
  {Class::kInfo, &Class::matches, \
   [](const Module& m) -> std::unique_ptr<StoredWeight> { return std::make_unique<Class>(m); }},
#include "formats/formats.def"
#undef ASSAY_FORMAT
  };
  return list;
}

namespace {

std::vector<std::string> methods() {
  std::vector<std::string> names;
  for (const Format& format : formats()) {
    const std::string family = format.info.family;
    if (family != "dense" && (names.empty() || names.back() != family)) names.push_back(family);
  }
  return names;
}

[[noreturn]] void refuse_method(const Module& module, const std::vector<std::string>& known) {
  const std::string& method = module.config().method();
  std::string text = fmt::format("quantization method {} is not supported; supported are", printable(method));
  if (const auto what = method_not_decoded(method)) {
    text = fmt::format("quantization method {} ({}) is known, but not decoded by this version; supported are", method,
                       *what);
  }
  for (const std::string& name : known) text += " " + name;
  if (const auto near = nearest(method, known)) text += fmt::format(". Did you mean {}?", *near);
  module.refuse(text);
}

/// Whether a format's layout names this tensor: "weight_scale" stands in it as a word.
bool names_tensor(std::string_view layout, std::string_view suffix) {
  const auto inside = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  for (size_t at = 0; (at = layout.find(suffix, at)) != std::string_view::npos; at += suffix.size()) {
    const size_t end = at + suffix.size();
    if ((at == 0 || !inside(layout[at - 1])) && (end == layout.size() || !inside(layout[end]))) return true;
  }
  return false;
}

/// The families that store tensors of these names, where the config names none of them.
std::string families_that_store(const Module& module) {
  std::vector<std::string> suffixes;
  for (const StoredTensor* tensor : module.tensors()) {
    const std::string suffix = tensor->name.substr(std::min(tensor->name.size(), module.name().size() + 1));
    if (suffix != "bias" && suffix != "weight" && !suffix.starts_with("input_")) suffixes.push_back(suffix);
  }
  std::string families;
  for (const Format& format : formats()) {
    const bool all = !suffixes.empty() && std::all_of(suffixes.begin(), suffixes.end(), [&](const std::string& suffix) {
      return names_tensor(format.info.layout, suffix);
    });
    const std::string name = fmt::format("{}/{}", format.info.family, format.info.name);
    if (all && format.info.family != module.config().method()) families += (families.empty() ? "" : ", ") + name;
  }
  return families;
}

[[noreturn]] void refuse_layout(const Module& module) {
  if (module.tensors().empty()) module.refuse("no such module");
  if (const std::string families = families_that_store(module); !families.empty()) {
    const std::string& method = module.config().method();
    const std::string said = method.empty() ? "the config declares no quantization" : "the config says " + method;
    module.refuse(
        fmt::format("these tensors fit no known layout: {}, but tensors of these names are stored by {}. What "
                    "they mean depends on the config: restore quantization_config in config.json",
                    said, families));
  }
  std::string text = "these tensors fit no known layout. The nearest are:";
  for (const Format& format : formats()) {
    const std::string_view family = format.info.family;
    if (family != "dense" && family != module.config().method()) continue;
    text += fmt::format("\n    {}/{}: {}", family, format.info.name, format.info.layout);
  }
  module.refuse(text);
}

}  // namespace

std::unique_ptr<StoredWeight> open_weight(const Module& module) {
  const std::string& method = module.config().method();
  const std::vector<std::string> known = methods();
  // Even tensors that look plain mean something else to some methods (ternarized on load, say).
  if (!method.empty() && std::find(known.begin(), known.end(), method) == known.end()) refuse_method(module, known);
  for (const Format& format : formats()) {
    if (format.matches(module)) return format.open(module);
  }
  refuse_layout(module);
}

}  // namespace assay

#include <algorithm>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "formats/format.h"

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

/// Methods of which more is known than that they are not decoded.
constexpr std::pair<std::string_view, const char*> kNotDecoded[] = {
    {"eetq", "int8 in the order of a GPU kernel's tiles"},
    {"spqr", "3-bit tiles with sparse outliers"},
    {"higgs", "grids in the order of FLUTE's kernels"},
    {"fp_quant", "MXFP4 or NVFP4 under a Hadamard rotation"},
    {"sinq", "scales of rows and columns"},
    {"gemma", "packed integers of Gemma's own"},
    {"metal", "packed integers of Metal kernels"},
    {"fouroversix", "NVFP4 with a choice of scale for each block"},
    {"quip", "E8 lattice codes"},
    {"bitblas", "weights in the order of a GPU kernel's tiles"},
};

[[noreturn]] void refuse_method(const Module& module, const std::vector<std::string>& known) {
  const std::string& method = module.config().method();
  std::string text = fmt::format("quantization method {} is not supported; supported are", printable(method));
  for (const auto& [name, what] : kNotDecoded) {
    if (method != name) continue;
    text = fmt::format("quantization method {} ({}) is known, but not decoded by this version; supported are", method,
                       what);
  }
  for (const std::string& name : known) text += " " + name;
  if (const auto near = nearest(method, known)) text += fmt::format(". Did you mean {}?", *near);
  module.refuse(text);
}

[[noreturn]] void refuse_layout(const Module& module) {
  if (module.tensors().empty()) module.refuse("no such module");
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

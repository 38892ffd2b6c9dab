#include "formats/known_names.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace assay {

namespace {

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

struct Alias {
  std::string_view name;         // of a tool, or what a config says
  std::string_view family;       // as in formats.def
  std::string_view format = {};  // part of its format's name; empty: all of the family
};

// Names of config classes are found by their beginning: "GPTQConfig" is "gptq".
constexpr Alias kAliases[] = {
    {"gptqmodel", "gptq"},
    {"autogptq", "gptq"},
    {"gptqv2", "gptq"},
    {"gptqp", "gptq"},
    {"autoawq", "awq"},
    {"llmawq", "awq"},
    {"bnb", "bitsandbytes"},
    {"bitsandbytes4bit", "bitsandbytes", "nf4"},
    {"bitsandbytes8bit", "bitsandbytes", "int8"},
    {"loadin4bit", "bitsandbytes", "nf4"},
    {"loadin8bit", "bitsandbytes", "int8"},
    {"nf4", "bitsandbytes", "nf4"},
    {"fp4", "bitsandbytes", "nf4"},
    {"llmint8", "bitsandbytes", "int8"},
    {"llmcompressor", "compressed-tensors"},
    {"sparseml", "compressed-tensors"},
    {"optimumquanto", "quanto"},
    {"mlxlm", "mlx"},
    {"nvidiamodelopt", "modelopt"},
    {"tensorrtmodeloptimizer", "modelopt"},
    {"modeloptfp4", "modelopt", "nvfp4"},
    {"amdquark", "quark"},
    {"intelautoround", "auto-round"},
    {"autoroundbits", "auto-round"},
    {"finegrainedfp8", "fp8"},
    {"deepseekfp8", "fp8", "block"},
    {"bitnetquant", "bitnet"},
    {"bitnetb158", "bitnet"},
    {"autobitlinear", "bitnet"},
    {"gptoss", "mxfp4"},
    {"llamacpp", "gguf"},
    {"ggml", "gguf"},
    {"none", "dense"},
    {"bf16", "dense"},
    {"f16", "dense"},
};

/// Letters and digits in lower case, without the "Config" of a class.
std::string plain(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (out.size() > 6 && out.ends_with("config")) out.resize(out.size() - 6);
  return out;
}

/// Whether one of the names "a|b, c" begins so.
bool names(std::string_view list, const std::string& wanted) {
  if (wanted.empty()) return false;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find_first_of("|,", begin), list.size());
    if (plain(list.substr(begin, end - begin)).starts_with(wanted)) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

std::vector<Format> formats_named(std::string_view name) {
  const std::string wanted = plain(name);
  std::vector<Format> found;
  for (const Format& format : formats()) {
    const FormatInfo& info = format.info;
    const bool by_alias = std::any_of(std::begin(kAliases), std::end(kAliases), [&](const Alias& alias) {
      return alias.name == wanted && alias.family == info.family &&
             std::string_view(info.name).find(alias.format) != std::string_view::npos;
    });
    if (by_alias || plain(info.family) == wanted || names(info.name, wanted)) found.push_back(format);
  }
  return found;
}

std::optional<std::string> method_not_decoded(std::string_view name) {
  for (const auto& [method, what] : kNotDecoded) {
    if (plain(method) == plain(name)) return what;
  }
  return std::nullopt;
}

std::vector<std::string> known_format_names() {
  std::vector<std::string> all;
  for (const Format& format : formats()) {
    for (const char* name : {format.info.family, format.info.name}) {
      if (std::find(all.begin(), all.end(), name) == all.end()) all.emplace_back(name);
    }
  }
  for (const Alias& alias : kAliases) all.emplace_back(alias.name);
  for (const auto& [method, what] : kNotDecoded) all.emplace_back(method);
  return all;
}

}  // namespace assay

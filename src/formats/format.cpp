#include "formats/format.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace assay {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::weights:
      return "weights";
    case Role::codes:
      return "codes";
    case Role::scales:
      return "scales";
    case Role::global_scales:
      return "global_scales";
    case Role::zero_points:
      return "zero_points";
    case Role::indices:
      return "indices";
    case Role::permutation:
      return "permutation";
    case Role::codebooks:
      return "codebooks";
    case Role::norms:
      return "norms";
    case Role::masks:
      return "masks";
    case Role::signs:
      return "signs";
    case Role::bias:
      return "bias";
    case Role::activation_scales:
      return "activation_scales";
    case Role::shape:
      return "shape";
    case Role::transform:
      return "transform";
    case Role::other:
      return "other";
  }
  ASSAY_CHECK(!"a role without a name");
  return {};
}

namespace {

/// Files that older tools wrote beside config.json, and the method that such a file implies unless it names one.
constexpr std::pair<const char*, const char*> kSideFiles[] = {
    {"hf_quant_config.json", "modelopt"}, {"quantize_config.json", "gptq"}, {"quant_config.json", "awq"},
    {"quanto_qmap.json", "quanto"},       {"quantization_config.json", ""},
};

/// Keys of config.json under which a quantization config stands, and the method implied.
constexpr std::pair<const char*, const char*> kConfigKeys[] = {
    {"quantization_config", ""}, {"compression_config", "compressed-tensors"}, {"quantization", "mlx"}};

/// Characters of the config that a refusal shows.
constexpr size_t kShownConfig = 1000;

constexpr const char* kNestedConfigs[] = {"text_config", "language_config", "llm_config"};

std::string method_in(const JsonObject& config, const std::string& implied) {
  if (config.has("quant_method")) {
    const std::string method = config.string("quant_method");
    if (method == "intel/auto-round") return "auto-round";
    return method == "compressed_tensors" ? "compressed-tensors" : method;
  }
  if (!implied.empty()) return implied;
  if (config.has("config_groups") || config.has("sparsity_config")) return "compressed-tensors";
  if (config.has("load_in_4bit") || config.has("load_in_8bit")) return "bitsandbytes";
  fail("{}: key \"quant_method\" is missing; cannot tell which tool wrote this checkpoint", config.where());
}

/// The tool of a checkpoint without any config, by what only it calls a tensor; or nothing.
std::string method_in(const std::map<std::string, StoredTensor, std::less<>>& tensors) {
  const bool hqq = std::any_of(tensors.begin(), tensors.end(), [](const auto& t) { return t.first.ends_with(".W_q"); });
  return hqq ? "hqq" : "";
}

/// mlx writes the same section twice, as "quantization" and as "quantization_config".
std::optional<QuantConfig> config_within(const JsonObject& config) {
  for (const auto& [key, implied] : kConfigKeys) {
    if (const auto found = config.object_if(key); found && !found->json().empty()) {
      const bool mlx = config.has("quantization") && !found->has("quant_method");
      return QuantConfig(method_in(*found, mlx ? "mlx" : implied), found->json(), found->where());
    }
  }
  return std::nullopt;
}

}  // namespace

QuantConfig::QuantConfig(std::string method, Json json, std::string where)
    : method_(std::move(method)),
      json_(std::make_shared<const Json>(std::move(json))),
      where_(std::move(where)),
      cache_(std::make_shared<Cache>()) {}

QuantConfig QuantConfig::of(const Checkpoint& checkpoint) {
  const JsonObject config(checkpoint.config(), "config.json");
  if (auto found = config_within(config)) return *found;
  for (const char* key : kNestedConfigs) {
    if (const auto nested = config.object_if(key)) {
      if (auto found = config_within(*nested)) return *found;
    }
  }
  for (const auto& [file, implied] : kSideFiles) {
    if (auto json = checkpoint.json_file(file)) {
      const std::string method = method_in(JsonObject(*json, file), implied);
      return QuantConfig(method, std::move(*json), file);
    }
  }
  return QuantConfig(method_in(checkpoint.tensors()), Json::object(), "config.json");
}

Module::Module(const Checkpoint& checkpoint, const QuantConfig& config, std::string name, Kind kind,
               std::optional<Size> wanted)
    : checkpoint_(&checkpoint), config_(&config), name_(std::move(name)), kind_(kind), wanted_(wanted) {}

const StoredTensor* Module::find(std::string_view suffix) const {
  return checkpoint_->find(fmt::format("{}.{}", name_, suffix));
}

const StoredTensor& Module::at(std::string_view suffix) const {
  if (const StoredTensor* tensor = find(suffix)) return *tensor;
  refuse(fmt::format("tensor {}.{} is missing", name_, suffix));
}

const StoredTensor* Module::parameter() const {
  return checkpoint_->find(name_);
}

std::vector<const StoredTensor*> Module::tensors() const {
  std::vector<const StoredTensor*> found;
  if (const StoredTensor* tensor = parameter()) found.push_back(tensor);
  const std::string prefix = name_ + ".";
  const auto& all = checkpoint_->tensors();
  for (auto it = all.lower_bound(prefix); it != all.end() && it->first.starts_with(prefix); ++it) {
    if (it->first.find('.', prefix.size()) == std::string::npos) found.push_back(&it->second);
  }
  return found;
}

void Module::refuse(const std::string& message) const {
  throw Error(picture(message));
}

void Module::cannot_emulate(const std::string& message) const {
  throw CannotEmulate(picture(message));
}

std::string Module::picture(const std::string& message) const {
  std::string text = fmt::format("{}: {}\n  stored:", name_, message);
  for (const StoredTensor* tensor : tensors()) {
    text += fmt::format("\n    {} {}", tensor->name, tensor->describe());
  }
  if (tensors().empty()) text += " nothing under this name";
  text += fmt::format("\n  config: {}: ", config_->where());
  if (config_->method().empty()) {
    text += "no quantization config";
  } else {
    std::string section = config_->json().dump(-1, ' ', false, Json::error_handler_t::replace);
    if (section.size() > kShownConfig) section = section.substr(0, kShownConfig) + "...";
    text += fmt::format("quant_method {}: {}", printable(config_->method()), section);
  }
  return text;
}

const StoredTensor& Module::expect(std::string_view suffix, std::initializer_list<DType> dtypes,
                                   const std::vector<int64_t>& shape) const {
  const StoredTensor& tensor = at(suffix);
  const auto fits = [](int64_t wanted, int64_t found) { return wanted == -1 || wanted == found; };
  const bool shape_fits = std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end(), fits);
  if (shape_fits && std::find(dtypes.begin(), dtypes.end(), tensor.dtype) != dtypes.end()) return tensor;
  std::string expected;
  for (DType dtype : dtypes) expected += (expected.empty() ? "" : " or ") + std::string(name_of(dtype));
  expected += " [";
  for (size_t i = 0; i < shape.size(); ++i) {
    expected += (i ? ", " : "") + (shape[i] == -1 ? std::string("any") : std::to_string(shape[i]));
  }
  refuse(fmt::format("{}: expected {}], found {}", tensor.name, expected, tensor.describe()));
}

}  // namespace assay

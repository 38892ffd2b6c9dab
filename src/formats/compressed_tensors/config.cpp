#include "formats/compressed_tensors/config.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace assay::compressed_tensors {

namespace {

using Strategy = QuantArgs::Strategy;

constexpr std::pair<const char*, Strategy> kStrategies[] = {
    {"tensor", Strategy::tensor},      {"channel", Strategy::channel}, {"group", Strategy::group},
    {"block", Strategy::block},        {"token", Strategy::token},     {"tensor_group", Strategy::tensor_group},
    {"attn_head", Strategy::attn_head}};

constexpr const char* kLocations[] = {"weight_input", "weight_output", "input", "output", "q_attn", "k_cache"};

/// Names are taken in any case, as the tool does it.
std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

Strategy parse_strategy(const JsonObject& json, int64_t group_size) {
  if (!json.has("strategy")) {
    return group_size > 0 ? Strategy::group : group_size == -1 ? Strategy::channel : Strategy::tensor;
  }
  const std::string text = lower(json.string("strategy"));
  for (const auto& [name, strategy] : kStrategies) {
    if (text == name) return strategy;
  }
  json.refuse("strategy", "tensor, channel, group, block, token, tensor_group or attn_head");
}

QuantArgs::Dynamic parse_dynamic(const JsonObject& json) {
  const Json* value = json.find("dynamic");
  if (!value) return QuantArgs::Dynamic::no;
  if (value->is_boolean()) return value->get<bool>() ? QuantArgs::Dynamic::yes : QuantArgs::Dynamic::no;
  if (*value == "local") return QuantArgs::Dynamic::local;
  json.refuse("dynamic", "true, false or \"local\"");
}

/// [rows, cols] or "ROWSxCOLS".
std::pair<int64_t, int64_t> parse_block(const JsonObject& json) {
  const Json& value = *json.find("block_structure");
  int64_t rows = 0, cols = 0;
  if (value.is_array() && value.size() == 2 && value[0].is_number_integer() && value[1].is_number_integer()) {
    rows = value[0].get<int64_t>();
    cols = value[1].get<int64_t>();
  } else if (value.is_string()) {
    const std::string text = value.get<std::string>();
    const char* end = text.data() + text.size();
    const auto [cross, bad_rows] = std::from_chars(text.data(), end, rows);
    const bool crossed = bad_rows == std::errc() && cross != end && *cross == 'x';
    if (!crossed || std::from_chars(cross + 1, end, cols).ptr != end) rows = 0;
  }
  if (rows < 1 || cols < 1) json.refuse("block_structure", "[rows, columns] or \"ROWSxCOLUMNS\", both positive");
  return {rows, cols};
}

std::vector<Target> parse_targets(const JsonObject& json, const char* key) {
  std::vector<Target> targets;
  for (std::string& text : json.strings(key)) targets.emplace_back(std::move(text), json.where() + ": " + key);
  return targets;
}

std::optional<QuantArgs> args_if(const JsonObject& json, const char* key) {
  const auto object = json.object_if(key);
  if (!object || object->json().empty()) return std::nullopt;
  return QuantArgs(*object);
}

}  // namespace

std::string_view name_of(Strategy strategy) {
  for (const auto& [name, value] : kStrategies) {
    if (value == strategy) return name;
  }
  return "?";
}

QuantArgs::QuantArgs(const JsonObject& json) : where(json.where()) {
  const int64_t stored_bits = json.integer_or("num_bits", 8);
  if (stored_bits < 1 || stored_bits > 16) json.refuse("num_bits", "1 to 16");
  bits = static_cast<int>(stored_bits);
  const std::string type = lower(json.string_or("type", "int"));
  if (type != "int" && type != "float") json.refuse("type", "\"int\" or \"float\"");
  is_float = type == "float";
  symmetric = json.boolean_or("symmetric", true);
  const int64_t stored_group = json.integer_or("group_size", 0);
  if (stored_group < -1) json.refuse("group_size", "a positive number, or -1 for whole rows");
  group_size = std::max<int64_t>(stored_group, 0);
  strategy = parse_strategy(json, stored_group);
  dynamic = parse_dynamic(json);
  if (json.has("block_structure")) std::tie(block_rows, block_cols) = parse_block(json);
  const bool grouped = strategy == Strategy::group || strategy == Strategy::tensor_group;
  if (grouped && group_size == 0) json.refuse("group_size", "a positive number, as the strategy says group");
  if (strategy == Strategy::block && block_rows == 0) json.refuse("block_structure", "[rows, columns]");
  scale_dtype = json.string_or("scale_dtype", "");
}

std::string QuantArgs::describe() const {
  std::string text = fmt::format("{}-bit {}, {}", bits, is_float ? "float" : "int", name_of(strategy));
  if (group_size) text += fmt::format(" of {}", group_size);
  if (block_rows) text += fmt::format(" {}x{}", block_rows, block_cols);
  if (!symmetric) text += ", asymmetric";
  if (dynamic != Dynamic::no) text += dynamic == Dynamic::yes ? ", dynamic" : ", dynamic: local";
  return text;
}

Target::Target(std::string text, const std::string& where) : text_(std::move(text)) {
  if (text_.starts_with("re:")) pattern_.emplace(text_.substr(3), where);
}

bool Target::names_class(std::string_view class_name) const {
  if (pattern_) return false;
  return text_ == class_name || (class_name == "Attention" && text_.ends_with(class_name));
}

bool Target::matches(const Subject& subject) const {
  if (pattern_) return pattern_->matches_start(subject.name);
  return text_ == subject.name || names_class(subject.class_name);
}

bool Transform::applies(const Subject& subject) const {
  const auto matches = [&](const Target& target) { return target.matches(subject); };
  return std::any_of(targets.begin(), targets.end(), matches) && std::none_of(ignore.begin(), ignore.end(), matches);
}

Config::Config(const QuantConfig& config) {
  const JsonObject json(config.json(), config.where());
  const std::string format = json.string_or("format", "");
  ignore_ = parse_targets(json, "ignore");
  if (const auto groups = json.object_if("config_groups")) {
    for (const auto& [name, value] : groups->json().items()) {
      const std::string where = groups->where() + ": " + name;
      if (value.is_array()) fail("{}: a preset scheme without its settings; write the scheme out in full", where);
      add_group(name, JsonObject(value, where), format);
    }
  }
  kv_cache_ = args_if(json, "kv_cache_scheme");
  if (const auto sparsity = json.object_if("sparsity_config")) sparsity_format_ = sparsity->string_or("format", "");
  if (const auto transforms = json.object_if("transform_config")) {
    if (const auto groups = transforms->object_if("config_groups")) {
      for (const auto& [name, value] : groups->json().items()) {
        add_transforms(name, JsonObject(value, groups->where() + ": " + name));
      }
    }
  }
}

void Config::add_group(const std::string& name, const JsonObject& json, const std::string& format) {
  groups_.push_back(
      std::make_unique<Group>(Group{name, json.string_or("format", format), args_if(json, "weights"),
                                    args_if(json, "input_activations"), args_if(json, "output_activations")}));
  for (Target& target : parse_targets(json, "targets")) {
    const std::string text = target.text();
    targets_.insert_or_assign(text, std::pair(std::move(target), groups_.back().get()));
  }
}

void Config::add_transforms(const std::string& name, const JsonObject& json) {
  const Json* apply = json.find("apply");
  if (!apply || !apply->is_array()) json.refuse("apply", "a list");
  const int64_t head_dim = json.integer_or("head_dim", 0);
  if (head_dim < 0 || head_dim > 1 << 20) json.refuse("head_dim", "a size");
  for (const Json& item : *apply) {
    const JsonObject entry(item, json.where() + ": apply");
    const std::string location = entry.string("location");
    if (std::find(std::begin(kLocations), std::end(kLocations), location) == std::end(kLocations)) {
      entry.refuse("location", "weight_input, weight_output, input, output, q_attn or k_cache");
    }
    transforms_.push_back({json.where(), name, json.string_or("type", ""), location, head_dim,
                           entry.boolean_or("inverse", false), parse_targets(entry, "targets"),
                           parse_targets(entry, "ignore")});
  }
}

const Group* Config::group_of(const Subject& subject) const {
  const auto ignored = [&](const Target& target) { return target.matches(subject); };
  if (std::any_of(ignore_.begin(), ignore_.end(), ignored)) return nullptr;
  if (const auto exact = targets_.find(std::string(subject.name)); exact != targets_.end()) {
    return exact->second.second;
  }
  for (const auto& [text, entry] : targets_) {
    if (entry.first.pattern() && entry.first.matches(subject)) return entry.second;
  }
  for (const auto& [text, entry] : targets_) {
    if (entry.first.names_class(subject.class_name)) return entry.second;
  }
  return nullptr;
}

const StoredTensor* Config::transform_matrix(const Checkpoint& checkpoint, const std::string& group, int64_t n) const {
  // Any tensor "X.<group>_<location>.weight"; the names are searched once for all groups.
  std::call_once(matrices_once_, [&] {
    for (const auto& [name, tensor] : checkpoint.tensors()) {
      for (const Transform& transform : transforms_) {
        const std::string ending = fmt::format(".{}_{}.weight", transform.group, transform.location);
        const bool square = tensor.shape.size() == 2 && tensor.shape[0] == tensor.shape[1];
        if (square && name.ends_with(ending)) matrices_.emplace(std::pair(transform.group, tensor.shape[0]), &tensor);
      }
    }
  });
  const auto found = matrices_.find({group, n});
  return found == matrices_.end() ? nullptr : found->second;
}

}  // namespace assay::compressed_tensors

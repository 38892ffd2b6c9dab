#include "cli/model_spec_file.h"

#include <fmt/ranges.h>
#include <glob.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "tokens/datasets.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kKeys = {
    "load_fn",           "fwd_fn", "label", "model_dir", "out_logits", "override_bpw_layer", "override_bpw_head",
    "override_vram_bits"};
const std::vector<std::string> kLoaders = {"transformers",    "transformers_auto", "transformers_auto_bf16",
                                           "transformers_mm", "exllamav2",         "exllamav3",
                                           "llamacpp",        "anyprecision",      "qtip"};
const std::vector<std::string> kForwards = {"transformers", "exllamav2",    "exllamav3",
                                            "llamacpp",     "anyprecision", "qtip"};

/// Every engine's name is accepted and then ignored: the files themselves say what they hold.
void check_engine(const JsonObject& spec, const char* key, const std::vector<std::string>& known) {
  const std::string name = spec.string(key);
  if (std::find(known.begin(), known.end(), name) == known.end())
    fail("{}: key \"{}\": no engine is called \"{}\"; known: {}", spec.where(), key, name, fmt::join(known, ", "));
}

void check_keys(const JsonObject& spec, std::vector<std::string>& notes) {
  for (const auto& [key, value] : spec.json().items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end()) continue;
    if (const auto meant = nearest(key, kKeys))
      fail("{}: unknown key \"{}\"; did you mean \"{}\"? Known: {}", spec.where(), key, *meant, fmt::join(kKeys, ", "));
    notes.push_back(fmt::format("{}: key \"{}\" has no meaning here and is ignored", spec.where(), key));
  }
}

std::vector<fs::path> model_paths(const JsonObject& spec, const fs::path& folder) {
  const Json* value = spec.find("model_dir");
  std::vector<fs::path> paths;
  if (value && value->is_array()) {
    for (const std::string& path : spec.strings("model_dir"))
      paths.push_back(resolve_path(path, folder).lexically_normal());
  } else {
    paths.push_back(resolve_path(spec.string("model_dir"), folder).lexically_normal());
  }
  if (paths.empty()) spec.refuse("model_dir", "a path, or a list that begins with the model's directory");
  return paths;
}

std::optional<double> override_of(const JsonObject& spec, const char* key) {
  if (!spec.has(key)) return std::nullopt;
  const double value = spec.number(key);
  if (!(value >= 0)) spec.refuse(key, "a number that is not negative");
  return value;
}

ModelEntry parse_entry(const JsonObject& spec, const fs::path& folder, std::vector<std::string>& notes) {
  check_keys(spec, notes);
  ModelEntry entry;
  entry.label = spec.string("label");
  check_engine(spec, "load_fn", kLoaders);
  check_engine(spec, "fwd_fn", kForwards);
  entry.model_dir = model_paths(spec, folder);
  if (spec.has("out_logits")) {
    spec.string("out_logits");
    entry.reference = true;
  }
  entry.override_bpw_layer = override_of(spec, "override_bpw_layer");
  entry.override_bpw_head = override_of(spec, "override_bpw_head");
  entry.override_vram_bits = override_of(spec, "override_vram_bits");
  return entry;
}

std::vector<std::string> expand(const std::string& name) {
  if (name.find_first_of("*?[") == std::string::npos || fs::exists(name)) return {name};
  glob_t matches{};
  const int status = ::glob(name.c_str(), 0, nullptr, &matches);
  std::vector<std::string> names(matches.gl_pathv, matches.gl_pathv + (status == 0 ? matches.gl_pathc : 0));
  ::globfree(&matches);
  if (names.empty()) fail("{}: no model spec matches this pattern", name);
  std::sort(names.begin(), names.end());
  return names;
}

void read_one(const std::string& file, ModelList& list) {
  const Json json = read_json(file);
  if (!json.is_array())
    fail("{}: a model spec is a JSON array of objects, one for each model; found {}", file, json.type_name());
  for (size_t i = 0; i < json.size(); ++i) {
    const JsonObject spec(json[i], fmt::format("{}: model {}", file, i + 1));
    list.models.push_back(parse_entry(spec, fs::path(file).parent_path(), list.notes));
  }
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace

ModelList read_model_specs(const std::vector<std::string>& files) {
  ModelList list;
  for (const std::string& pattern : files)
    for (const std::string& file : expand(pattern)) read_one(file, list);
  if (list.models.empty()) fail("{}: no models in these model specs", fmt::join(files, ", "));

  std::vector<std::string> references;
  for (const ModelEntry& entry : list.models)
    if (entry.reference) references.push_back('"' + entry.label + '"');
  if (references.size() > 1)
    fail("{}: only one model can be the reference, but {} have \"out_logits\"", fmt::join(files, ", "),
         fmt::join(references, " and "));
  std::stable_partition(list.models.begin(), list.models.end(), [](const ModelEntry& e) { return e.reference; });
  return list;
}

void add_noise_floor(std::vector<ModelEntry>& models, Precision run) {
  const auto reference = std::find_if(models.begin(), models.end(), [](const ModelEntry& e) { return e.reference; });
  if (reference == models.end()) fail("--noise-floor: no model is the reference: none has \"out_logits\"");
  ModelEntry floor = *reference;
  floor.reference = false;
  floor.noise_floor = true;
  floor.precision = run == Precision::f32 ? Precision::bf16 : Precision::f32;
  floor.label += run == Precision::f32 ? " in bf16" : " in f32";
  models.insert(reference + 1, floor);
}

LabelMask::LabelMask(const std::string& mask) {
  for (size_t begin = 0; begin <= mask.size();) {
    const size_t end = std::min(mask.find(';', begin), mask.size());
    if (end > begin) parts_.push_back(lower(mask.substr(begin, end - begin)));
    begin = end + 1;
  }
}

bool LabelMask::matches(const std::string& label) const {
  const std::string text = lower(label);
  return parts_.empty() || std::any_of(parts_.begin(), parts_.end(),
                                       [&](const std::string& part) { return text.find(part) != std::string::npos; });
}

std::vector<ModelEntry> masked(const std::vector<ModelEntry>& models, const std::string& mask) {
  const LabelMask labels(mask);
  if (labels.empty()) return models;
  std::vector<ModelEntry> kept;
  bool any = false;
  for (const ModelEntry& entry : models) {
    const bool hit = labels.matches(entry.label);
    any = any || hit;
    if (hit || entry.reference) kept.push_back(entry);
  }
  if (!any) fail("-mask \"{}\": no label contains any of its parts", mask);
  return kept;
}

}  // namespace assay

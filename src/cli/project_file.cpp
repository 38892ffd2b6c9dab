#include "cli/project_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/yaml.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

/// qbench multiplies each layer's output by 1 + 2^-9 N(0, 1): about the rounding of bf16.
constexpr double kNoise = 0x1p-9;

void check_keys(const JsonObject& object, const std::vector<std::string>& known) {
  for (const auto& [key, value] : object.json().items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const auto meant = nearest(key, known);
    fail("{}: unknown key \"{}\"{}; known: {}", object.where(), key,
         meant ? fmt::format("; did you mean \"{}\"?", *meant) : "", fmt::join(known, ", "));
  }
}

/// Labels like `3.00` are numbers to YAML and words to people.
std::string word(const JsonObject& object, const char* key) {
  const Json* value = object.find(key);
  return value && value->is_number() ? value->dump() : object.string(key);
}

int64_t positive(const JsonObject& object, const char* key, int64_t least) {
  const int64_t value = object.integer(key);
  if (value < least) object.refuse(key, fmt::format("a whole number of at least {}", least));
  return value;
}

class Reader {
 public:
  explicit Reader(const fs::path& file)
      : base_(fs::absolute(file).parent_path()), json_(read_yaml(file)), root_(json_, file.string()) {}

  Project read() {
    check_keys(root_, {"title", "test_data", "tokenizer", "test_trace", "logit_cache", "models", "noise_floor",
                       "reference_quant", "output"});
    project_.title = root_.string_or("title", "qbench");
    project_.reference_quant = root_.string_or("reference_quant", "");
    read_data();
    read_cache();
    read_models();
    read_output();
    return std::move(project_);
  }

 private:
  fs::path path(const std::string& name) const { return (base_ / name).lexically_normal(); }

  void read_data() {
    if (root_.has("test_trace"))
      root_.refuse("test_trace", "nothing: traces are not read by this version; give \"test_data\" and \"tokenizer\"");
    const JsonObject test = root_.object("test_data"), tokenizer = root_.object("tokenizer");
    check_keys(test, {"source", "rows", "length", "stride"});
    check_keys(tokenizer, {"source", "template", "prompt"});
    DataSpec& data = project_.data;
    data.dataset.dataset = test.string("source");
    data.dataset.base = base_;
    data.display_name = dataset_display_name(data.dataset);
    data.max_rows = positive(test, "rows", 1);
    data.eval_len = positive(test, "length", 2);
    data.eval_stride = test.has("stride") ? positive(test, "stride", 1) : data.eval_len;
    data.tokenizer_dir = resolve_path(tokenizer.string("source"), base_);
    // exllamav3's tokenizer with its defaults
    data.add_special = data.parse_special = false;
    data.prompt = tokenizer.string_or("prompt", data.prompt);
    const Json* chat = tokenizer.find("template");
    if (chat && chat->is_string()) {
      if (*chat != "assistant") tokenizer.refuse("template", "true, false or \"assistant\"");
      data.prefix_kind = ChatPrefixKind::assistant;
      data.chat_template = true;
    } else {
      data.chat_template = tokenizer.boolean_or("template", false);
    }
  }

  void read_cache() {
    const JsonObject cache = root_.object("logit_cache");
    check_keys(cache, {"dir", "max_size_gb"});
    project_.cache_dir = path(cache.string("dir")) / "assay";
    const double gigabytes = cache.number_or("max_size_gb", 200);
    if (!(gigabytes >= 0 && gigabytes <= 1e9)) cache.refuse("max_size_gb", "a number that is not negative");
    project_.cache_bytes = static_cast<uint64_t>(gigabytes * 1e9);
  }

  void read_models() {
    const Json* list = root_.find("models");
    if (!list || !list->is_array() || list->empty()) root_.refuse("models", "a list of models");
    for (size_t i = 0; i < list->size(); ++i) {
      const JsonObject model((*list)[i], fmt::format("{}: model {}", root_.where(), i + 1));
      check_keys(model, {"label", "group", "engine", "source", "options"});
      project_.models.push_back(read_model(model));
    }
    std::vector<ModelEntry>& models = project_.models;
    const auto is_reference = [](const ModelEntry& e) { return e.reference; };
    const auto references = std::count_if(models.begin(), models.end(), is_reference);
    if (references != 1)
      fail("{}: exactly one model must be of group \"reference\"; there are {}", root_.where(), references);
    std::stable_partition(models.begin(), models.end(), is_reference);
    if (!root_.boolean_or("noise_floor", true)) return;
    ModelEntry floor = models.front();
    floor.reference = false;
    floor.noise_floor = true;
    floor.noise = kNoise;
    floor.group = "noise_floor";
    floor.label += " with noise";
    models.insert(models.begin() + 1, floor);
  }

  ModelEntry read_model(const JsonObject& model) {
    static const std::vector<std::string> kEngines = {"transformers", "exllamav3", "llamacpp"};
    const std::string engine = model.string("engine");
    if (std::find(kEngines.begin(), kEngines.end(), engine) == kEngines.end())
      model.refuse("engine", fmt::format("one of {}", fmt::join(kEngines, ", ")));
    ModelEntry entry;
    entry.label = word(model, "label");
    entry.group = word(model, "group");
    entry.reference = entry.group == "reference";
    entry.model_dir = {path(model.string("source"))};
    if (const auto options = model.object_if("options")) {
      if (engine == "transformers") check_keys(*options, {"dtype", "streaming", "device_map", "trust_remote_code"});
      if (engine == "llamacpp") check_keys(*options, {"n_gpu_layers", "split_mode", "main_gpu"});
      if (!options->json().empty())
        project_.notes.push_back(fmt::format(
            "{}: the options of the engine {} have no meaning here: every model runs through the same arithmetic",
            entry.label, engine));
    }
    return entry;
  }

  void read_output() {
    project_.caption = "\n";
    const auto output = root_.object_if("output");
    if (!output) return;
    check_keys(*output,
               {"results", "plot_ppl", "plot_ppl_vram", "plot_kld", "plot_kld_vram", "plot_kld_spread",
                "plot_kld_spread_vram", "plot_kld_hist", "plot_kld_hist_combined", "dark", "caption", "interactive"});
    if (output->has("interactive"))
      output->refuse("interactive", "nothing: qbench never made it; --html FILE makes a page of the results");
    if (output->has("results")) project_.results = path(output->string("results"));
    using Kind = ProjectChart::Kind;
    add_chart(*output, "plot_ppl", Kind::ppl, false);
    add_chart(*output, "plot_ppl_vram", Kind::ppl, true);
    add_chart(*output, "plot_kld", Kind::kld, false);
    add_chart(*output, "plot_kld_vram", Kind::kld, true);
    add_chart(*output, "plot_kld_spread", Kind::kld_spread, false);
    add_chart(*output, "plot_kld_spread_vram", Kind::kld_spread, true);
    add_chart(*output, "plot_kld_hist", Kind::kld_histogram, false);
    add_chart(*output, "plot_kld_hist_combined", Kind::kld_histogram_combined, false);
    project_.dark = output->boolean_or("dark", true);
    const Json* caption = output->find("caption");
    if (caption && caption->is_string()) {
      project_.caption = *caption;
    } else if (!output->boolean_or("caption", true)) {
      project_.caption.clear();
    }
  }

  void add_chart(const JsonObject& output, const char* key, ProjectChart::Kind kind, bool vram) {
    const Json* value = output.find(key);
    if (!value) return;
    ProjectChart chart;
    chart.kind = kind;
    chart.vram = vram;
    const bool histogram =
        kind == ProjectChart::Kind::kld_histogram || kind == ProjectChart::Kind::kld_histogram_combined;
    if (histogram && value->is_object()) {
      const JsonObject options(*value, fmt::format("{}: {}", output.where(), key));
      check_keys(options, {"file", "x_log", "y_log", "labels"});
      chart.file = path(options.string("file"));
      chart.log_x = options.boolean_or("x_log", true);
      chart.log_y = options.boolean_or("y_log", false);
      for (const Json& label : options.has("labels") ? *options.find("labels") : Json::array())
        chart.labels.push_back(label.is_string() ? label.get<std::string>() : label.dump());
      check_labels(options, chart.labels);
    } else {
      chart.file = path(output.string(key));
    }
    project_.charts.push_back(chart);
  }

  void check_labels(const JsonObject& options, const std::vector<std::string>& labels) const {
    for (const std::string& label : labels) {
      const bool known = std::any_of(project_.models.begin(), project_.models.end(),
                                     [&](const ModelEntry& entry) { return entry.label == label; });
      if (!known) options.refuse("labels", fmt::format("labels of models of this project; there is no \"{}\"", label));
    }
  }

  fs::path base_;
  Json json_;
  JsonObject root_;
  Project project_;
};

}  // namespace

Project read_project(const fs::path& file) {
  return Reader(file).read();
}

}  // namespace assay

#include "cli/commands.h"
#include "cli/data.h"

namespace assay {

namespace fs = std::filesystem;

std::string label_of(const fs::path& model) {
  const fs::path path = fs::absolute(model).lexically_normal();
  return path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
}

DataSpec data_spec(const PplRequest& request) {
  DataSpec spec;
  spec.max_rows = request.rows;
  if (!request.tokens.empty()) {
    spec.token_rows = request.tokens;
    spec.display_name = request.tokens.filename().string();
    return spec;
  }
  const Checkpoint checkpoint = Checkpoint::open(request.model);
  spec.tokenizer_dir = request.tokenizer.empty() ? tokenizer_of(checkpoint) : request.tokenizer;
  spec.dataset.dataset = request.data;
  spec.display_name = dataset_display_name(spec.dataset);
  spec.eval_len = request.length;
  spec.eval_stride = request.stride;
  return request.llama_cpp ? as_llama_cpp(std::move(spec), request.length) : spec;
}

int run(const PplRequest& request) {
  Console console(request.run.out.machine_readable());
  Benchmark benchmark(request.run, console, load_data(data_spec(request), request.text, request.run, console));
  std::vector<ModelEntry> models;
  const auto add = [&](const fs::path& model, bool reference) {
    ModelEntry entry;
    entry.label = label_of(model);
    entry.model_dir = {model};
    entry.reference = reference;
    models.push_back(entry);
  };
  if (!request.reference.empty()) add(request.reference, true);
  if (request.noise_floor) add_noise_floor(models, request.run.precision);
  add(request.model, false);
  return benchmark.run(models);
}

}  // namespace assay

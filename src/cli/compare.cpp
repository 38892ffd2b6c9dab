#include "cli/commands.h"
#include "cli/data.h"

namespace assay {

int run(const CompareRequest& request) {
  Console console(request.run.json);
  const DataSpec data_spec = read_data_spec(request.data_spec);
  const ModelList list = read_model_specs(request.model_specs);
  for (const std::string& note : list.notes) console.note(note);
  const std::vector<ModelEntry> models = masked(list.models, request.mask);
  for (const ModelEntry& entry : models)
    if (entry.reference)
      console.note(
          fmt::format("{}: out_logits: this version computes no KL divergence, so no logits are written", entry.label));

  Benchmark benchmark(request.run, console, load_data(data_spec, request.text, request.run, console));
  if (request.clear_cache) benchmark.clear_cache();
  return benchmark.run(models);
}

}  // namespace assay

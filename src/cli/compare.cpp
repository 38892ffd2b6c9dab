#include <algorithm>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/data.h"

namespace assay {

int run(const CompareRequest& request) {
  Console console(request.run.json);
  const DataSpec data_spec = read_data_spec(request.data_spec);
  const ModelList list = read_model_specs(request.model_specs);
  for (const std::string& note : list.notes) console.note(note);
  std::vector<ModelEntry> models = masked(list.models, request.mask);
  const bool reference = std::any_of(models.begin(), models.end(), [](const ModelEntry& e) { return e.reference; });
  if (request.kld && !reference) fail("-kld: no model is the reference: give one of the model spec \"out_logits\"");
  if (request.noise_floor) add_noise_floor(models, request.run.precision);

  Benchmark benchmark(request.run, console, load_data(data_spec, request.text, request.run, console));
  if (request.clear_cache) benchmark.clear_cache();
  if (!request.logits.empty()) benchmark.compare_with_logits(request.logits);
  return benchmark.run(models);
}

}  // namespace assay

#include <algorithm>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/data.h"

namespace assay {

int run(const CompareRequest& request) {
  Console console(request.run.out.machine_readable());
  DataSpec data_spec = read_data_spec(request.data_spec);
  if (request.llama_cpp_length > 0) data_spec = as_llama_cpp(std::move(data_spec), request.llama_cpp_length);
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

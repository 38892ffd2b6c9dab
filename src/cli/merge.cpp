#include "report/merge.h"
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/model_spec_file.h"
#include "report/json.h"

namespace assay {

int run(const MergeRequest& request) {
  Console console(request.out.machine_readable());
  const Outputs outputs(request.out, console);
  check_charts(request.out);
  std::vector<NamedResult> runs;
  for (const std::filesystem::path& file : request.results)
    runs.push_back({file.string(), results_from_json(read_json(file), file.string())});
  Result result = merge_results(std::move(runs));
  const LabelMask mask(request.mask);
  std::erase_if(result.models,
                [&](const ModelResult& model) { return model.role == ModelRole::model && !mask.matches(model.label); });
  outputs.save(result);
  outputs.print(result, false);
  outputs.draw(result);
  return 0;
}

}  // namespace assay

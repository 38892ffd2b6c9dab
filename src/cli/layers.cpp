#include "report/layers.h"
#include "base/error.h"
#include "cli/atomic_file.h"
#include "cli/commands.h"
#include "cli/data.h"
#include "cli/interrupt.h"
#include "cli/opened_model.h"
#include "forward/layer_errors.h"

namespace assay {

int run(const LayersRequest& request) {
  const RunOptions& run = request.ppl.run;
  Console console(run.out.machine_readable());
  check_charts(run.out);
  const OpenedModel reference(request.ppl.reference, run), model(request.ppl.model, run);
  const BenchmarkData data = load_data(data_spec(request.ppl), request.ppl.text, run, console);
  ThreadPool pool(run.threads > 0 ? run.threads : ThreadPool::available());
  const auto device = open_device(run.device, pool);
  EvalOptions options = eval_options(run);
  LayerErrors errors;
  {
    Progress progress(console, "Comparing layers");
    options.progress = [&](double fraction) {
      stop_if_interrupted();
      progress.update(fraction);
    };
    errors = measure_layers(*device, pool, reference.model(), model.model(), data.input(), options);
  }
  errors.reference = label_of(request.ppl.reference);
  errors.model = label_of(request.ppl.model);
  const OutputOptions& out = run.out;
  if (!out.output.empty())
    write_atomically(out.output, out.output.extension() == ".csv" ? layers_csv(errors) : layers_json(errors));
  console.result(out.format == "json"  ? layers_json(errors)
                 : out.format == "csv" ? layers_csv(errors)
                                       : "\n" + layers_table(errors, console.width()));
  for (const ChartFile& chart : out.charts) write_chart(chart, layer_chart(errors, chart.options), console);
  return 0;
}

}  // namespace assay

// Any bytes as a report of an earlier run: reading it either throws Error or yields what every exporter can write.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "memory_file.h"
#include "report/chart/charts.h"
#include "report/chart/render.h"
#include "report/html/html.h"
#include "report/json.h"
#include "report/merge.h"
#include "report/table.h"

namespace {

using namespace assay;

void export_all(const Result& result) {
  require(!results_html(result).empty());
  require(!results_table(result, 100).empty());
  require(!results_markdown(result).empty());
  require(!results_csv(result).empty());
  compare_q_json(result);
  for (const ChartY y : {ChartY::ppl, ChartY::kld}) {
    ChartOptions options;
    options.y = y;
    options.width = 400;
    for (const auto& chart : {scatter_chart(result, options), spread_chart(result, options),
                              histogram_chart(result, options), combined_histogram_chart(result, options)})
      if (chart) require(!render(*chart, ImageType::svg, false).empty());
  }
}

void read_again(const Result& result) {
  const std::string text = results_json(result);
  require(results_json(results_from_json(Json::parse(text), "again")) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  try {
    const Result result = results_from_json(read_json(file.path()), "input");
    export_all(result);
    read_again(result);
    export_all(merge_results({{"one", result}, {"other", result}}));
  } catch (const Error&) {
  }
  return 0;
}

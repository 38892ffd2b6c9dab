#include "base/error.h"
#include "cli/commands.h"
#include "cli/data.h"
#include "cli/project_file.h"

namespace assay {

namespace {

void make_folder_of(const std::filesystem::path& file) {
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  if (error) fail("{}: cannot make the folder: {}", file.parent_path().string(), error.message());
}

ChartKind kind_of(ProjectChart::Kind kind) {
  switch (kind) {
    case ProjectChart::Kind::ppl:
    case ProjectChart::Kind::kld:
      return ChartKind::scatter;
    case ProjectChart::Kind::kld_spread:
      return ChartKind::spread;
    case ProjectChart::Kind::kld_histogram:
      return ChartKind::histogram;
    case ProjectChart::Kind::kld_histogram_combined:
      return ChartKind::combined_histogram;
  }
  check_failed(__FILE__, __LINE__, "known kind of chart");
}

ChartFile chart_file(const Project& project, const ProjectChart& chart) {
  ChartFile out;
  out.kind = kind_of(chart.kind);
  out.file = chart.file;
  out.dark = project.dark;
  out.options.x = chart.vram ? ChartX::vram : ChartX::bpw;
  out.options.y = chart.kind == ProjectChart::Kind::ppl ? ChartY::ppl : ChartY::kld;
  out.options.title = project.title;
  out.options.log_x = chart.log_x;
  out.options.log_y = chart.log_y;
  out.options.labels = chart.labels;
  if (project.caption != "\n") out.options.caption = project.caption;
  if (!project.reference_quant.empty()) out.options.reference = project.reference_quant + " reference";
  return out;
}

}  // namespace

int run(const RunRequest& request) {
  Console console(request.run.out.machine_readable());
  const Project project = read_project(request.project);
  for (const std::string& note : project.notes) console.note(note);
  RunOptions options = request.run;
  if (options.use_cache && !request.own_cache_dir) options.cache_dir = project.cache_dir;
  if (!request.own_reference_bytes) options.reference_bytes = project.cache_bytes;
  if (options.out.output.empty() && !project.results.empty()) {
    options.out.output = project.results;
    make_folder_of(project.results);
  }
  for (const ProjectChart& chart : project.charts) {
    options.out.charts.push_back(chart_file(project, chart));
    make_folder_of(chart.file);
  }

  BenchmarkData data = load_data(project.data, {}, options, console);
  if (data.windows.rows < project.data.max_rows) {
    fail("{}: test_data: {} rows were asked for, but the text has only {} of length {} and stride {}",
         request.project.string(), project.data.max_rows, data.windows.rows, project.data.eval_len,
         project.data.eval_stride);
  }
  data.vocabulary = data.tokenizer->vocab_size();  // qbench leaves the padding of the vocabulary out
  Benchmark benchmark(options, console, std::move(data));
  if (request.clear_cache) benchmark.clear_cache();
  return benchmark.run(project.models);
}

}  // namespace assay

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

}  // namespace

int run(const RunRequest& request) {
  Console console(request.run.json);
  const Project project = read_project(request.project);
  for (const std::string& note : project.notes) console.note(note);
  RunOptions options = request.run;
  if (options.use_cache && !request.own_cache_dir) options.cache_dir = project.cache_dir;
  if (!request.own_reference_bytes) options.reference_bytes = project.cache_bytes;
  if (options.output.empty() && !project.results.empty()) {
    options.output = project.results;
    make_folder_of(options.output);
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

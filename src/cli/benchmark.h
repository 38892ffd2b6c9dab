#pragma once
#include <memory>
#include <vector>

#include "cli/cache.h"
#include "cli/console.h"
#include "cli/model_spec_file.h"
#include "cli/options.h"
#include "forward/evaluate.h"
#include "report/result.h"
#include "stats/windows.h"

namespace assay {

/// The tokens that every model of a run reads.
struct BenchmarkData {
  std::vector<int32_t> ids;  ///< [windows.rows, row_length]
  int64_t row_length = 0;    ///< prefix included
  int64_t first = 0;         ///< position in a row whose logits are scored first
  Windows windows;
  DataRecord record;

  EvalInput input() const { return {ids, windows.rows, row_length, first, windows.count}; }
};

/// Measures models one after the other on the same tokens and reports them: narration as it goes, the report file after
/// each model, the table at the end. A model that fails does not stop the others.
class Benchmark {
 public:
  /// Error when the device or the report file cannot be opened.
  Benchmark(const RunOptions& options, Console& console, BenchmarkData data);

  /// Measures anew even what the cache knows.
  void clear_cache() { clear_cache_ = true; }
  /// The exit status: 0 all measured, 1 some failed, 2 all failed. Interrupted after a Ctrl-C.
  int run(const std::vector<ModelEntry>& models);

 private:
  ModelResult measure(const ModelEntry& entry);
  void measure(const ModelEntry& entry, ModelResult& result);
  Measurement evaluate_model(const OpenModel& model);
  std::optional<CacheKey> key_of(const Checkpoint& checkpoint, const ModelResult& result);
  void save() const;
  void print() const;

  RunOptions options_;
  Console& console_;
  BenchmarkData data_;
  ThreadPool pool_;
  std::unique_ptr<Device> device_;
  Cache cache_;
  bool clear_cache_ = false;
  Result result_;
};

}  // namespace assay

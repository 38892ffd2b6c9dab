#pragma once
#include <memory>
#include <vector>

#include "cli/cache.h"
#include "cli/console.h"
#include "cli/model_spec_file.h"
#include "cli/options.h"
#include "cli/reference_store.h"
#include "cli/token_text.h"
#include "forward/evaluate.h"
#include "report/result.h"
#include "stats/windows.h"

namespace assay {

/// The tokens that every model of a run reads.
struct BenchmarkData {
  std::vector<int32_t> ids;                    ///< [windows.rows, row_length]
  std::shared_ptr<const Tokenizer> tokenizer;  ///< null where the ids were given
  std::filesystem::path tokenizer_path;
  int64_t row_length = 0;  ///< prefix included
  int64_t first = 0;       ///< position in a row whose logits are scored first
  int64_t vocabulary = 0;  ///< ids whose logits count; 0 = all that a model has
  Windows windows;
  DataRecord record;

  EvalInput input() const { return {ids, windows.rows, row_length, first, windows.count}; }
};

/// What a checkpoint declares, or for a GGUF file what llama.cpp does on a CPU where that was asked for.
QuantConfig quant_of(const Checkpoint& checkpoint, const RunOptions& options);

/// What the options say about arithmetic and memory.
EvalOptions eval_options(const RunOptions& options);

/// Measures models one after the other on the same tokens and reports them: narration as it goes, the report file after
/// each model, the table at the end. A model that fails does not stop the others. With a reference among them, the
/// others are compared with it; it is run once, and only if something is to be compared that the cache does not know.
class Benchmark {
 public:
  /// Error when the device or the report file cannot be opened.
  Benchmark(const RunOptions& options, Console& console, BenchmarkData data);

  /// Measures anew even what the cache knows.
  void clear_cache() { clear_cache_ = true; }
  /// Takes compare_q's stored logits as the reference of all models.
  void compare_with_logits(const std::filesystem::path& path);
  /// The exit status: 0 all measured, 1 some failed, 2 all failed. Interrupted after a Ctrl-C.
  int run(const std::vector<ModelEntry>& models);

 private:
  ModelResult measure(const ModelEntry& entry);
  void measure(const ModelEntry& entry, ModelResult& result);
  EvalResult evaluate_model(const OpenModel& model, const ModelEntry& entry);
  Measurement measure(const OpenModel& model, const ModelEntry& entry);
  Comparison compare(const OpenModel& model, const EvalResult& evaluated);
  /// The reference's kept run; runs it where it is not there.
  const Reference& reference();
  void keep_reference(const Reference::Content& content);
  bool compared(const ModelEntry& entry) const { return from_logits_ || (reference_entry_ && !entry.reference); }
  /// What decides how its weights and activations are read.
  CacheKey key_of(const Checkpoint& checkpoint, const ModelEntry& entry, const ModelResult& result);

  RunOptions options_;
  Console& console_;
  Outputs outputs_;
  BenchmarkData data_;
  ThreadPool pool_;
  std::unique_ptr<Device> device_;
  Cache cache_;
  ReferenceStore references_;
  TokenText text_;
  bool clear_cache_ = false;
  const ModelEntry* reference_entry_ = nullptr;  ///< null = nothing is compared
  bool from_logits_ = false;
  std::string reference_label_, reference_key_, reference_content_;
  std::optional<Reference> reference_;
  std::string kept_note_;
  Result result_;
};

}  // namespace assay

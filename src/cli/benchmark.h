#pragma once
#include <memory>
#include <vector>

#include "cli/cache.h"
#include "cli/console.h"
#include "cli/model_spec_file.h"
#include "cli/opened_model.h"
#include "cli/options.h"
#include "cli/reference_store.h"
#include "cli/token_text.h"
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

/// Measures models one after the other on the same tokens and reports them: narration as it goes, the report file after
/// each model, the table at the end. A model that fails does not stop the others. With a reference among them, the
/// others are compared with it; it is run once, and only if something is to be compared that the cache does not know.
/// Models that have run through their layers wait for each other, as far as memory and ten minutes of work allow, so
/// that one pass over the vocabulary serves them all.
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
  /// A model that has run through its layers.
  struct Waiting {
    size_t index = 0;  ///< among the models of the run
    const ModelEntry* entry = nullptr;
    ModelResult result = {};
    CacheKey key = {};
    std::unique_ptr<OpenedModel> model = nullptr;
    std::optional<Evaluation> evaluation = {};
    double seconds = 0;
    uint64_t peak_bytes = 0;
  };

  void run_all(const std::vector<ModelEntry>& models);
  /// Leaves it waiting, unless it fails or the cache knows it.
  void begin(size_t index, const ModelEntry& entry);
  void begin(Waiting& item);
  /// Whether the next model can wait too.
  bool room_for_more() const;
  void finish_waiting();
  void finish(std::span<Waiting> ready);
  void add(size_t index, ModelResult result);
  Evaluation run_blocks(const OpenedModel& model, const ModelEntry& entry);
  std::vector<EvalResult> run_heads(std::span<Evaluation* const> evaluations);
  Measurement measurement(const Waiting& item, EvalResult evaluated);
  Comparison compare(const OpenModel& model, const EvalResult& evaluated);
  /// The reference's kept run; runs it where it is not there.
  const Reference& reference();
  void run_reference_again();
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
  std::string reference_error_;  ///< why there is none, from a colon on
  std::string kept_note_;
  std::vector<Waiting> waiting_;
  size_t models_ = 0;           ///< of the run
  std::vector<size_t> places_;  ///< of result_.models among them
  bool saved_ = true;
  bool stopping_ = false;  ///< after a Ctrl-C: what waits is still finished
  Result result_;
};

}  // namespace assay

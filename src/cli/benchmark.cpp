#include "cli/benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "cli/data.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/peak_memory.h"
#include "formats/gguf/runtime.h"
#include "stats/estimate.h"
#include "stats/perplexity.h"
#include "tokens/vocabulary_match.h"

namespace assay {

namespace {

/// What the report shows word by word: the beginning of the first row.
constexpr int64_t kViewTokens = 512;
constexpr int kViewChoices = 5;

// Of models that wait for the pass over the head.
constexpr size_t kMostWaiting = 8;
constexpr double kLongestWait = 600;                    // seconds of work that a crash would lose
constexpr uint64_t kBytesOfHead = uint64_t{128} << 20;  // a tile of each head, and the next one

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

const char* as_deployed_or_none(bool as_deployed) {
  return as_deployed ? "as-deployed" : "none";
}

}  // namespace

Benchmark::Benchmark(const RunOptions& options, Console& console, BenchmarkData data)
    : options_(options),
      console_(console),
      outputs_(options.out, console),
      data_(std::move(data)),
      pool_(options.threads > 0 ? options.threads : ThreadPool::available()),
      device_(open_device(options.device, pool_)),
      cache_(options.use_cache ? options.cache_dir : std::filesystem::path(), console),
      references_(options.use_cache ? options.cache_dir / "references" : std::filesystem::path(),
                  options.reference_bytes, console),
      text_(data_.tokenizer) {
  result_.device = device_->name();
  result_.threads = pool_.size();
  result_.data = data_.record;
  check_charts(options_.out);
  outputs_.save(result_);
}

int Benchmark::run(const std::vector<ModelEntry>& models) {
  const auto reference = std::find_if(models.begin(), models.end(), [](const ModelEntry& e) { return e.reference; });
  if (reference != models.end() && models.size() > 1 && !from_logits_) {
    reference_entry_ = &*reference;
    reference_label_ = reference->label;
  }
  models_ = models.size();
  try {
    run_all(models);
  } catch (const Interrupted&) {
    stopping_ = true;
    finish_waiting();
    if (!result_.models.empty()) outputs_.print(result_, true);
    throw;
  }
  outputs_.print(result_, true);
  try {
    outputs_.draw(result_);
  } catch (const Error& e) {
    console_.error(e.what());
    saved_ = false;
  }
  const auto failed =
      std::count_if(result_.models.begin(), result_.models.end(), [](const ModelResult& model) { return !model.ok(); });
  if (!saved_ || failed == static_cast<std::ptrdiff_t>(models.size())) return 2;
  return failed == 0 ? 0 : 1;
}

void Benchmark::run_all(const std::vector<ModelEntry>& models) {
  for (size_t i = 0; i < models.size(); ++i) {
    stop_if_interrupted();
    begin(i, models[i]);
    const bool may_wait = compared(models[i]) && i + 1 < models.size();
    if (!may_wait || !room_for_more()) finish_waiting();
  }
}

void Benchmark::begin(size_t index, const ModelEntry& entry) {
  Waiting item{.index = index, .entry = &entry};
  ModelResult& result = item.result;
  result.label = entry.label;
  result.model_dir = entry.model_dir.front().string();
  result.group = entry.group;
  result.role = entry.reference && !from_logits_ ? ModelRole::reference
                : entry.noise_floor              ? ModelRole::noise_floor
                                                 : ModelRole::model;
  result.precision = entry.precision.value_or(options_.precision) == Precision::bf16 ? "bf16" : "f32";
  result.activations = as_deployed_or_none(options_.as_deployed);
  result.kv_cache = as_deployed_or_none(options_.as_deployed && options_.kv_cache);
  result.override_bpw_layer = entry.override_bpw_layer;
  result.override_bpw_head = entry.override_bpw_head;
  result.override_vram_bits = entry.override_vram_bits;
  console_.say("Loading: {}", entry.label);
  try {
    begin(item);
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& e) {
    result.error = message_of(e);
  }
  if (item.evaluation && result.ok()) {
    waiting_.push_back(std::move(item));
  } else {
    add(index, std::move(result));
  }
}

void Benchmark::begin(Waiting& item) {
  const ModelEntry& entry = *item.entry;
  ModelResult& result = item.result;
  if (entry.model_dir.size() > 1) fail("model_dir with tensor files that override the model's is not supported yet");
  item.model = std::make_unique<OpenedModel>(entry.model_dir.front(), options_);
  const auto& [checkpoint, quant, spec] = *item.model;
  if (quant.method() == gguf::kMethod) result.activations = "llama.cpp";
  result.architecture = spec.architecture;
  result.tied = spec.tied;
  result.notes = checkpoint.notes();
  result.notes.insert(result.notes.end(), spec.notes.begin(), spec.notes.end());
  result.storage = measure_storage(checkpoint, quant, spec);
  result.notes.insert(result.notes.end(), result.storage->mismatches.begin(), result.storage->mismatches.end());
  if (const std::filesystem::path own = tokenizer_of(checkpoint); data_.tokenizer && own != data_.tokenizer_path) {
    const std::string note = vocabulary_note(*data_.tokenizer, data_.ids, own);
    if (!note.empty()) result.notes.push_back(note);
  }
  for (const std::string& note : result.notes) console_.note(fmt::format("{}: {}", entry.label, note));

  item.key = key_of(checkpoint, entry, result);
  if (entry.reference && !from_logits_) {
    reference_key_ = item.key.text();
    reference_content_ = item.key.content;
  }
  const Storage::CompareQ bits = result.compare_q();
  console_.say("Loaded {} model: {:.4f} bpw (decoder), {:.4f} bpw (head)", result.storage->format, bits.bpw_layer,
               bits.bpw_head);
  console_.say("Testing: {}", entry.label);
  if (clear_cache_) {
    cache_.forget(item.key);
    if (entry.reference && !from_logits_) references_.forget(reference_key_);
  }
  result.measured = cache_.find(item.key);
  result.cached = result.measured.has_value();
  if (result.cached) return;
  if (compared(entry)) reference();  // its time and memory are its own
  const auto start = std::chrono::steady_clock::now();
  reset_peak_memory();
  item.evaluation.emplace(run_blocks(*item.model, entry));
  item.seconds = seconds_since(start);
  item.peak_bytes = peak_memory();
}

bool Benchmark::room_for_more() const {
  uint64_t bytes = 0;
  double seconds = 0;
  for (const Waiting& item : waiting_) {
    bytes += item.evaluation->bytes() + kBytesOfHead;
    seconds += item.seconds;
  }
  const uint64_t with_another = waiting_.empty() ? 0 : bytes + bytes / waiting_.size();
  return waiting_.size() < kMostWaiting && seconds < kLongestWait && with_another <= options_.memory_bytes / 4;
}

void Benchmark::finish_waiting() {
  std::vector<Waiting> ready = std::exchange(waiting_, {});
  if (ready.empty()) return;
  try {
    return finish(ready);
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& e) {
    if (ready.size() == 1) ready.front().result.error = message_of(e);
  }
  for (Waiting& item : ready) {
    if (!item.evaluation) continue;
    try {
      if (item.result.ok()) {
        finish({&item, 1});
        continue;
      }
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& e) {
      item.result.error = message_of(e);
    }
    add(item.index, std::move(item.result));
  }
}

void Benchmark::finish(std::span<Waiting> ready) {
  const auto start = std::chrono::steady_clock::now();
  reset_peak_memory();
  std::vector<Evaluation*> evaluations;
  for (Waiting& item : ready) evaluations.push_back(&*item.evaluation);
  std::vector<EvalResult> results = run_heads(evaluations);
  const double each = seconds_since(start) / static_cast<double>(ready.size());
  for (size_t i = 0; i < ready.size(); ++i) {
    Waiting& item = ready[i];
    item.seconds += each;
    item.peak_bytes = std::max(item.peak_bytes, peak_memory());
    item.result.measured = measurement(item, std::move(results[i]));
    cache_.store(item.key, *item.result.measured);
    if (ready.size() > 1) console_.say("Tested: {}", item.entry->label);
    add(item.index, std::move(item.result));
    item.evaluation.reset();
  }
}

void Benchmark::add(size_t index, ModelResult result) {
  if (!result.ok()) {
    if (result.role == ModelRole::reference && !reference_) reference_error_ = ": " + result.error;
    console_.error(fmt::format("{}: {}", result.label, result.error));
  } else {
    for (const std::string& note : result.measured->notes) console_.note(fmt::format("{}: {}", result.label, note));
    if (result.measured->comparison) console_.say("KL div: {:.6f}", result.measured->comparison->divergence.kld.mean);
    console_.say("Perplexity: {:.6f}", result.measured->ppl);
  }
  const auto place = std::upper_bound(places_.begin(), places_.end(), index) - places_.begin();
  places_.insert(places_.begin() + place, index);
  result_.models.insert(result_.models.begin() + place, std::move(result));
  result_.complete = result_.models.size() == models_;
  try {
    outputs_.save(result_);
  } catch (const Error& e) {
    console_.error(e.what());  // the numbers can still be printed
    saved_ = false;
  }
}

CacheKey Benchmark::key_of(const Checkpoint& checkpoint, const ModelEntry& entry, const ModelResult& result) {
  CacheKey key;
  key.tokens_sha256 = data_.record.tokens_sha256;
  key.windows = data_.windows;
  key.first = data_.first;
  key.device = device_->name();
  key.precision = result.precision;
  key.activations = result.activations;
  key.kv_cache = result.kv_cache;
  key.noise = entry.noise;
  key.vocabulary = data_.vocabulary;
  if (compared(entry)) key.reference = reference_key_ + (options_.jensen_shannon ? "with Jensen-Shannon" : "");
  if (!cache_.enabled()) return key;
  Progress progress(console_, "Loading checkpoint shards", static_cast<double>(checkpoint.file_bytes()) / 1e6, "MB");
  key.content = cache_.content_hash(checkpoint, [&](uint64_t done, uint64_t total) {
    stop_if_interrupted();
    progress.update(static_cast<double>(done) / static_cast<double>(total));
  });
  return key;
}

Evaluation Benchmark::run_blocks(const OpenedModel& model, const ModelEntry& entry) {
  EvalOptions options = eval_options(options_);
  if (entry.precision) options.precision = *entry.precision;
  options.noise = entry.noise;
  options.vocabulary = data_.vocabulary;
  options.jensen_shannon = options_.jensen_shannon;
  for (const Waiting& item : waiting_) options.memory_bytes -= item.evaluation->bytes();
  if (compared(entry)) options.reference = &reference();
  if (entry.reference && reference_entry_)
    options.keep = [this](const Reference::Content& content) { keep_reference(content); };
  Progress progress(console_, "Evaluating", static_cast<double>(data_.windows.rows), "rows");
  options.progress = [&](double fraction) {
    stop_if_interrupted();
    progress.update(fraction);
  };
  Evaluation evaluation(*device_, model.model(), data_.input(), options);
  evaluation.run_blocks();
  progress.update(1);
  return evaluation;
}

std::vector<EvalResult> Benchmark::run_heads(std::span<Evaluation* const> evaluations) {
  Progress progress(console_, "Scoring");
  bool told = false;
  return assay::finish(evaluations, [&](double fraction) {
    progress.update(fraction);
    if (evaluations.size() == 1 && !stopping_) return stop_if_interrupted();
    if (was_interrupted() && !std::exchange(told, true))
      console_.note("finishing the models that have run; Ctrl-C again gives them up");
  });
}

Measurement Benchmark::measurement(const Waiting& item, EvalResult evaluated) {
  const ModelEntry& entry = *item.entry;
  const Perplexity all = perplexity(evaluated.nll, data_.windows);
  Measurement m;
  m.mean_nll = all.nll.mean;
  m.nll_se = all.nll.se;
  m.nll_df = all.nll.df;
  m.ppl = all.ppl;
  m.ppl_se = all.ppl_se;
  m.row_nll = all.row_nll;
  m.clusters = all.clusters;
  if (compared(entry)) m.comparison = compare(item.model->model(), evaluated);
  m.seconds = item.seconds;
  m.tokens_per_second = static_cast<double>(data_.ids.size()) / m.seconds;
  m.peak_rss_bytes = item.peak_bytes;
  m.stage_seconds = std::move(evaluated.seconds);
  m.notes = std::move(evaluated.notes);
  if (entry.reference && !kept_note_.empty()) m.notes.push_back(kept_note_);
  return m;
}

void Benchmark::compare_with_logits(const std::filesystem::path& path) {
  console_.say("Reading logits: {}", path.string());
  reference_ = Reference::of_logits(
      path, {data_.ids, data_.windows.rows, data_.row_length, data_.first, data_.input().positions()});
  from_logits_ = true;
  reference_label_ = path.filename().string();
  reference_content_ = reference_->summary_hash();
  reference_key_ = "logits " + reference_content_;
}

const Reference& Benchmark::reference() {
  if (!reference_) reference_ = references_.find(reference_key_);
  if (!reference_ && reference_error_.empty()) run_reference_again();
  if (!reference_) fail("the reference {} could not be run{}", reference_entry_->label, reference_error_);
  return *reference_;
}

void Benchmark::run_reference_again() {
  if (reference_key_.empty()) return;
  console_.say("Running the reference again: {}", reference_entry_->label);
  try {
    const OpenedModel model(reference_entry_->model_dir.front(), options_);
    Evaluation evaluation = run_blocks(model, *reference_entry_);
    Evaluation* const alone = &evaluation;
    run_heads({&alone, 1});
  } catch (const Error& e) {
    reference_error_ = fmt::format(": {}", e.what());
  }
}

void Benchmark::keep_reference(const Reference::Content& content) {
  const auto mb = [](int64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  Progress progress(console_, "Keeping the reference");
  reference_ = references_.keep(reference_key_, content, [&](double fraction) {
    stop_if_interrupted();
    progress.update(fraction);
  });
  kept_note_ = fmt::format("kept as a reference: {:.1f} MB, where float16 logits would take {:.1f} MB",
                           mb(static_cast<int64_t>(reference_->bytes())), mb(2 * content.positions * content.vocab));
}

Comparison Benchmark::compare(const OpenModel& model, const EvalResult& evaluated) {
  Comparison c;
  c.reference = reference_label_;
  c.reference_content = reference_content_;
  c.vocabulary = std::min(model.spec->vocab, reference().vocab());  // a cut vocabulary is in the reference's
  c.divergence = summarize(evaluated.measures, data_.windows, default_clustering(data_.windows));
  const auto row_of = [&](int64_t row) {
    return std::span<const int32_t>(data_.ids).subspan(row * data_.row_length, data_.row_length);
  };
  for (const WorstToken& worst : c.divergence.worst)
    c.worst.push_back(text_.around(row_of(worst.row), data_.first + worst.position + 1));
  const auto likely = [&](std::span<const int32_t> row, int64_t at, const TopLogits& top, double log_sum) {
    std::vector<ProbableToken> tokens;
    for (int k = 0; k < kViewChoices && top.id[k] >= 0; ++k)
      tokens.push_back({text_.of(row, at, top.id[k]), std::exp(static_cast<double>(top.logit[k]) - log_sum)});
    return tokens;
  };
  for (int64_t i = 0; i < std::min(kViewTokens, data_.windows.count); ++i) {
    const auto row = row_of(0);
    const int64_t at = data_.first + i + 1;  // of the token that position i predicts
    c.view.push_back({0, i, text_.of(row, at, row[at]), evaluated.measures.kld[i],
                      likely(row, at, reference().top()[i], reference().log_sum(i)),
                      likely(row, at, evaluated.top[i], evaluated.log_sum[i])});
  }
  return c;
}

}  // namespace assay

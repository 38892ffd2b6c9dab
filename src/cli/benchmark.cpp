#include "cli/benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "cli/data.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/peak_memory.h"
#include "formats/gguf/runtime.h"
#include "model/config.h"
#include "stats/estimate.h"
#include "stats/perplexity.h"
#include "tokens/vocabulary_match.h"

namespace assay {

namespace {

/// What the report shows word by word: the beginning of the first row.
constexpr int64_t kViewTokens = 512;
constexpr int kViewChoices = 5;

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
  bool saved = true;
  try {
    for (const ModelEntry& entry : models) {
      stop_if_interrupted();
      result_.models.push_back(measure(entry));
      result_.complete = result_.models.size() == models.size();
      try {
        outputs_.save(result_);
      } catch (const Error& e) {
        console_.error(e.what());  // the numbers can still be printed
        saved = false;
      }
    }
  } catch (const Interrupted&) {
    if (!result_.models.empty()) outputs_.print(result_, true);
    throw;
  }
  outputs_.print(result_, true);
  try {
    outputs_.draw(result_);
  } catch (const Error& e) {
    console_.error(e.what());
    saved = false;
  }
  const auto failed =
      std::count_if(result_.models.begin(), result_.models.end(), [](const ModelResult& model) { return !model.ok(); });
  if (!saved || failed == static_cast<std::ptrdiff_t>(models.size())) return 2;
  return failed == 0 ? 0 : 1;
}

ModelResult Benchmark::measure(const ModelEntry& entry) {
  ModelResult result;
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
    measure(entry, result);
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& e) {
    result.error = message_of(e);
  }
  if (!result.ok()) console_.error(fmt::format("{}: {}", entry.label, result.error));
  return result;
}

void Benchmark::measure(const ModelEntry& entry, ModelResult& result) {
  if (entry.model_dir.size() > 1) fail("model_dir with tensor files that override the model's is not supported yet");
  const Checkpoint checkpoint = Checkpoint::open(entry.model_dir.front());
  const QuantConfig quant = quant_of(checkpoint, options_);
  if (quant.method() == gguf::kMethod) result.activations = "llama.cpp";
  const ModelSpec spec = read_model_spec(checkpoint, options_.assume);
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

  const CacheKey key = key_of(checkpoint, entry, result);
  if (entry.reference && !from_logits_) {
    reference_key_ = key.text();
    reference_content_ = key.content;
  }
  const Storage::CompareQ bits = result.compare_q();
  console_.say("Loaded {} model: {:.4f} bpw (decoder), {:.4f} bpw (head)", result.storage->format, bits.bpw_layer,
               bits.bpw_head);
  console_.say("Testing: {}", entry.label);
  if (clear_cache_) {
    cache_.forget(key);
    if (entry.reference && !from_logits_) references_.forget(reference_key_);
  }
  result.measured = cache_.find(key);
  result.cached = result.measured.has_value();
  if (!result.cached) {
    result.measured = measure({&checkpoint, &quant, &spec}, entry);
    cache_.store(key, *result.measured);
  }
  for (const std::string& note : result.measured->notes) console_.note(fmt::format("{}: {}", entry.label, note));
  if (result.measured->comparison) console_.say("KL div: {:.6f}", result.measured->comparison->divergence.kld.mean);
  console_.say("Perplexity: {:.6f}", result.measured->ppl);
}

QuantConfig quant_of(const Checkpoint& checkpoint, const RunOptions& options) {
  return options.llama_cpp && checkpoint.gguf() ? gguf::llama_cpp_runtime() : QuantConfig::of(checkpoint);
}

EvalOptions eval_options(const RunOptions& options) {
  EvalOptions out;
  out.precision = options.precision;
  out.as_deployed = options.as_deployed;
  out.kv_cache = options.kv_cache;
  out.memory_bytes = options.memory_bytes;
  return out;
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

EvalResult Benchmark::evaluate_model(const OpenModel& model, const ModelEntry& entry) {
  EvalOptions options = eval_options(options_);
  if (entry.precision) options.precision = *entry.precision;
  options.noise = entry.noise;
  options.vocabulary = data_.vocabulary;
  options.jensen_shannon = options_.jensen_shannon;
  if (compared(entry)) options.reference = &reference();
  if (entry.reference && reference_entry_)
    options.keep = [this](const Reference::Content& content) { keep_reference(content); };
  Progress progress(console_, "Evaluating", static_cast<double>(data_.windows.rows), "rows");
  options.progress = [&](double fraction) {
    stop_if_interrupted();
    progress.update(fraction);
  };
  EvalResult evaluated = evaluate(*device_, model, data_.input(), options);
  progress.update(1);
  return evaluated;
}

Measurement Benchmark::measure(const OpenModel& model, const ModelEntry& entry) {
  if (compared(entry)) reference();  // its time and memory are its own
  const auto start = std::chrono::steady_clock::now();
  reset_peak_memory();
  EvalResult evaluated = evaluate_model(model, entry);
  const Perplexity all = perplexity(evaluated.nll, data_.windows);
  Measurement m;
  m.mean_nll = all.nll.mean;
  m.nll_se = all.nll.se;
  m.nll_df = all.nll.df;
  m.ppl = all.ppl;
  m.ppl_se = all.ppl_se;
  m.row_nll = all.row_nll;
  m.clusters = all.clusters;
  if (compared(entry)) m.comparison = compare(model, evaluated);
  m.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  m.tokens_per_second = static_cast<double>(data_.ids.size()) / m.seconds;
  m.peak_rss_bytes = peak_memory();
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
  if (!reference_) {
    if (reference_key_.empty()) fail("the reference {} could not be run", reference_entry_->label);
    console_.say("Running the reference again: {}", reference_entry_->label);
    const Checkpoint checkpoint = Checkpoint::open(reference_entry_->model_dir.front());
    const QuantConfig quant = quant_of(checkpoint, options_);
    const ModelSpec spec = read_model_spec(checkpoint, options_.assume);
    evaluate_model({&checkpoint, &quant, &spec}, *reference_entry_);
  }
  return *reference_;
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

#include "cli/benchmark.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "cli/atomic_file.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/peak_memory.h"
#include "model/config.h"
#include "report/json.h"
#include "report/table.h"
#include "stats/perplexity.h"

namespace assay {

namespace {

/// A file name that ends in .csv or .md gets a table, any other the whole report.
std::string report_text(const std::filesystem::path& path, const Result& result) {
  if (path.extension() == ".csv") return results_csv(result);
  if (path.extension() == ".md") return results_markdown(result);
  return results_json(result);
}

const char* as_deployed_or_none(bool as_deployed) {
  return as_deployed ? "as-deployed" : "none";
}

}  // namespace

Benchmark::Benchmark(const RunOptions& options, Console& console, BenchmarkData data)
    : options_(options),
      console_(console),
      data_(std::move(data)),
      pool_(options.threads > 0 ? options.threads : ThreadPool::available()),
      device_(open_device(options.device, pool_)),
      cache_(options.use_cache ? options.cache_dir : std::filesystem::path(), console) {
  result_.device = device_->name();
  result_.threads = pool_.size();
  result_.data = data_.record;
  save();
}

int Benchmark::run(const std::vector<ModelEntry>& models) {
  bool saved = true;
  try {
    for (const ModelEntry& entry : models) {
      stop_if_interrupted();
      result_.models.push_back(measure(entry));
      result_.complete = result_.models.size() == models.size();
      try {
        save();
      } catch (const Error& e) {
        console_.error(e.what());  // the numbers can still be printed
        saved = false;
      }
    }
  } catch (const Interrupted&) {
    if (!result_.models.empty()) print();
    throw;
  }
  print();
  const auto failed =
      std::count_if(result_.models.begin(), result_.models.end(), [](const ModelResult& model) { return !model.ok(); });
  if (!saved || failed == static_cast<std::ptrdiff_t>(models.size())) return 2;
  return failed == 0 ? 0 : 1;
}

ModelResult Benchmark::measure(const ModelEntry& entry) {
  ModelResult result;
  result.label = entry.label;
  result.model_dir = entry.model_dir.front().string();
  result.precision = options_.precision == Precision::bf16 ? "bf16" : "f32";
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
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  result.architecture = spec.architecture;
  result.tied = spec.tied;
  result.notes = checkpoint.notes();
  result.notes.insert(result.notes.end(), spec.notes.begin(), spec.notes.end());
  result.storage = measure_storage(checkpoint, quant, spec);
  result.notes.insert(result.notes.end(), result.storage->mismatches.begin(), result.storage->mismatches.end());
  for (const std::string& note : result.notes) console_.note(fmt::format("{}: {}", entry.label, note));

  const std::optional<CacheKey> key = key_of(checkpoint, result);
  const Storage::CompareQ bits = result.compare_q();
  console_.say("Loaded {} model: {:.4f} bpw (decoder), {:.4f} bpw (head)", result.storage->format, bits.bpw_layer,
               bits.bpw_head);
  console_.say("Testing: {}", entry.label);
  if (key && clear_cache_) cache_.forget(*key);
  if (key) result.measured = cache_.find(*key);
  result.cached = result.measured.has_value();
  if (!result.cached) {
    result.measured = evaluate_model({&checkpoint, &quant, &spec});
    if (key) cache_.store(*key, *result.measured);
  }
  for (const std::string& note : result.measured->notes) console_.note(fmt::format("{}: {}", entry.label, note));
  console_.say("Perplexity: {:.6f}", result.measured->ppl);
}

std::optional<CacheKey> Benchmark::key_of(const Checkpoint& checkpoint, const ModelResult& result) {
  if (!cache_.enabled()) return std::nullopt;
  Progress progress(console_, "Loading checkpoint shards", static_cast<double>(checkpoint.file_bytes()) / 1e6, "MB");
  CacheKey key;
  key.content = cache_.content_hash(checkpoint, [&](uint64_t done, uint64_t total) {
    stop_if_interrupted();
    progress.update(static_cast<double>(done) / static_cast<double>(total));
  });
  key.tokens_sha256 = data_.record.tokens_sha256;
  key.windows = data_.windows;
  key.first = data_.first;
  key.device = device_->name();
  key.precision = result.precision;
  key.activations = result.activations;
  key.kv_cache = result.kv_cache;
  return key;
}

Measurement Benchmark::evaluate_model(const OpenModel& model) {
  const auto start = std::chrono::steady_clock::now();
  reset_peak_memory();
  EvalResult evaluated;
  {
    Progress progress(console_, "Evaluating", static_cast<double>(data_.windows.rows), "rows");
    EvalOptions options;
    options.precision = options_.precision;
    options.as_deployed = options_.as_deployed;
    options.kv_cache = options_.kv_cache;
    options.memory_bytes = options_.memory_bytes;
    options.progress = [&](double fraction) {
      stop_if_interrupted();
      progress.update(fraction);
    };
    evaluated = evaluate(*device_, model, data_.input(), options);
    progress.update(1);
  }
  const Perplexity perplexity_of_all = perplexity(evaluated.nll, data_.windows);
  Measurement m;
  m.mean_nll = perplexity_of_all.nll.mean;
  m.nll_se = perplexity_of_all.nll.se;
  m.nll_df = perplexity_of_all.nll.df;
  m.ppl = perplexity_of_all.ppl;
  m.ppl_se = perplexity_of_all.ppl_se;
  m.row_nll = perplexity_of_all.row_nll;
  m.clusters = perplexity_of_all.clusters;
  m.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  m.tokens_per_second = static_cast<double>(data_.ids.size()) / m.seconds;
  m.peak_rss_bytes = peak_memory();
  m.stage_seconds = std::move(evaluated.seconds);
  m.notes = std::move(evaluated.notes);
  return m;
}

void Benchmark::save() const {
  if (!options_.output.empty()) write_atomically(options_.output, report_text(options_.output, result_));
}

void Benchmark::print() const {
  if (options_.json) {
    console_.result(results_json(result_));
  } else {
    console_.result(fmt::format("\n{}\n------\n{}", results_table(result_, console_.width()), compare_q_json(result_)));
  }
}

}  // namespace assay

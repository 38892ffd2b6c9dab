// The whole evaluation of a model against what oneDNN alone needs for its products, and the share of each stage; with
// --kld, instead, a run of two models with divergence against a run of one without.
//   bench_forward MODEL [--rows 20] [--length 2048] [--threads 2] [--precision f32|bf16|both] [--kld FOLDER]
#include <fmt/core.h>
#include <sys/resource.h>

#include <chrono>
#include <map>
#include <random>
#include <string>

#include "base/error.h"
#include "forward/evaluate.h"
#include "model/config.h"
#include "model/linears.h"
#include "onednn_alone.h"

namespace {

using namespace assay;

std::vector<Product> products_of(const ModelSpec& spec, int64_t rows, int64_t length) {
  std::map<std::pair<int64_t, int64_t>, int64_t> count;
  for_each_linear(spec, [&](const LinearSpec& linear) { ++count[{linear.out, linear.in}]; });
  std::vector<Product> products;
  for (const auto& [shape, times] : count) products.push_back({length, shape.first, shape.second, times * rows});
  products.push_back({length - 1, spec.head.out, spec.head.in, rows});
  return products;
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<int32_t> random_ids(const OpenModel& model, int64_t count) {
  std::mt19937 random(1);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint64_t>(model.spec->vocab));
  return ids;
}

/// The reference is kept in `folder`.
void measure_divergence(const OpenModel& model, int64_t rows, int64_t length, int threads, Precision precision,
                        const std::string& folder) {
  const std::vector<int32_t> ids = random_ids(model, rows * length);
  ThreadPool pool(threads);
  const auto device = open_device("cpu", pool);
  const auto time = [&](const EvalOptions& options) {
    const double start = seconds();
    evaluate(*device, model, {ids, rows, length, 0, length - 1}, options);
    return seconds() - start;
  };
  EvalOptions plain;
  plain.precision = precision;
  EvalOptions keep = plain, compare = plain;
  keep.keep = [&](const Reference::Content& content) { Reference::write(folder, content, [](double) {}); };
  const double before = time(plain), reference = time(keep);
  const Reference kept = Reference::open(folder);
  compare.reference = &kept;
  const double model_time = time(compare), after = time(plain);
  fmt::print(
      "{}: reference {:.2f} s + model {:.2f} s with divergence, one run without {:.2f} s (before {:.2f}, after "
      "{:.2f}), ratio {:.3f}\n",
      precision == Precision::bf16 ? "bf16" : "f32", reference, model_time, (before + after) / 2, before, after,
      2 * (reference + model_time) / (before + after));
}

void measure(const OpenModel& model, int64_t rows, int64_t length, int threads, Precision precision) {
  const std::vector<int32_t> ids = random_ids(model, rows * length);
  const std::vector<Product> products = products_of(*model.spec, rows, length);
  const double alone_before = onednn_alone(products, precision == Precision::bf16, threads);
  ThreadPool pool(threads);
  const auto device = open_device("cpu", pool);
  EvalOptions options;
  options.precision = precision;
  const double start = seconds();
  const EvalResult result = evaluate(*device, model, {ids, rows, length, 0, length - 1}, options);
  const double whole = seconds() - start;
  const double alone_after = onednn_alone(products, precision == Precision::bf16, threads);
  const double alone = (alone_before + alone_after) / 2;

  fmt::print("{}: whole evaluation {:.2f} s, oneDNN alone {:.2f} s (before {:.2f}, after {:.2f}), ratio {:.3f}\n",
             precision == Precision::bf16 ? "bf16" : "f32", whole, alone, alone_before, alone_after, whole / alone);
  for (const auto& [stage, time] : result.seconds)
    fmt::print("  {:<18} {:7.2f} s {:5.1f} %\n", stage, time, 100 * time / whole);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("  peak memory of this program so far {:.0f} MiB\n", static_cast<double>(usage.ru_maxrss) / 1024);
}

void run(int argc, char** argv) {
  if (argc < 2)
    fail(
        "usage: bench_forward MODEL [--rows 20] [--length 2048] [--threads 2] [--precision f32|bf16|both] [--kld "
        "FOLDER]");
  std::map<std::string, std::string> options = {
      {"--rows", "20"}, {"--length", "2048"}, {"--threads", "2"}, {"--precision", "both"}};
  for (int i = 2; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  const Checkpoint checkpoint = Checkpoint::open(argv[1]);
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  const OpenModel model{&checkpoint, &quant, &spec};
  for (const auto& [name, precision] : {std::pair("f32", Precision::f32), std::pair("bf16", Precision::bf16)}) {
    if (options["--precision"] != "both" && options["--precision"] != name) continue;
    const int64_t rows = std::stoll(options["--rows"]), length = std::stoll(options["--length"]);
    const int threads = std::stoi(options["--threads"]);
    if (options.contains("--kld")) {
      measure_divergence(model, rows, length, threads, precision, options["--kld"]);
    } else {
      measure(model, rows, length, threads, precision);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_forward: {}\n", error.what());
    return 2;
  }
}

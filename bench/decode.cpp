// Decoding speed of every format in some checkpoints: GB/s of float32 written, beside a float32 copy of the same size.
//   bench_decode [--threads 2] [--enlarge] MODEL...
// The largest matrix of each format is decoded over and over in panels of up to 2048 rows, as the CPU device does it.
// Matrices that fit in the caches flatter the copy, so --enlarge first makes a 4096 x 14336 matrix of each, by
// repeating what is stored, where the format lets it.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <string>

#include "base/error.h"
#include "base/parallel.h"
#include "enlarge.h"
#include "model/config.h"
#include "model/linears.h"

namespace {

using namespace assay;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Median seconds of one call over at least half a second.
template <class Work>
double median_time(Work&& work) {
  std::vector<double> times;
  work();
  for (const double start = seconds(); times.size() < 5 || seconds() - start < 0.5;) {
    const double before = seconds();
    work();
    times.push_back(seconds() - before);
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

void measure(const std::string& model, const StoredWeight& weight, ThreadPool& pool) {
  const int64_t rows = weight.rows(), cols = weight.cols();
  const int64_t share = std::clamp<int64_t>(rows / pool.size(), 64, 2048), alignment = weight.row_alignment();
  const int64_t tile = (share + alignment - 1) / alignment * alignment, tiles = (rows + tile - 1) / tile;
  std::vector<float> out(static_cast<size_t>(rows * cols)), source(out.size(), 1.0f);
  const auto for_tiles = [&](auto&& body) {
    pool.run(tiles, [&](int64_t i) { body(i * tile, std::min(rows, (i + 1) * tile)); });
  };
  const double decode = median_time(
      [&] { for_tiles([&](int64_t begin, int64_t end) { weight.decode(begin, end, out.data() + begin * cols); }); });
  const double copy = median_time([&] {
    for_tiles([&](int64_t begin, int64_t end) {
      std::memcpy(out.data() + begin * cols, source.data() + begin * cols,
                  static_cast<size_t>((end - begin) * cols) * sizeof(float));
    });
  });
  const double gigabytes = static_cast<double>(out.size() * sizeof(float)) / 1e9;
  fmt::print("{:<44} {:>6} x {:<6} {:7.2f} GB/s  {:5.2f} of a copy  {}\n", weight.format(), rows, cols,
             gigabytes / decode, copy / decode, model);
}

constexpr int64_t kRows = 4096, kCols = 14336;

/// False, with the reason on stderr, where the format does not let its tensors be repeated.
bool measure_enlarged(const std::string& model, const Checkpoint& checkpoint, const QuantConfig& quant,
                      const StoredWeight& weight, ThreadPool& pool) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / fmt::format("bench_decode_{}", getpid());
  try {
    enlarge(checkpoint, quant, weight, kRows, kCols, folder);
    const Checkpoint made = Checkpoint::open(folder);
    const QuantConfig config = QuantConfig::of(made);
    const auto large =
        open_weight(Module(made, config, weight.name(), Module::Kind::linear, Module::Size{kRows, kCols}));
    if (large->rows() != kRows || large->cols() != kCols) fail("it became {} x {}", large->rows(), large->cols());
    measure(model, *large, pool);
  } catch (const Error& error) {
    fmt::print(stderr, "{}: {}: not enlarged: {}\n", model, weight.format(), error.what());
    fs::remove_all(folder);
    return false;
  }
  fs::remove_all(folder);
  return true;
}

/// The largest matrix of each format in the model.
void measure_model(const char* path, bool large, ThreadPool& pool) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  std::map<std::string, std::unique_ptr<StoredWeight>> largest;
  for (const LayerSpec& layer : spec.layers) {
    for_each_linear(layer, [&](const LinearSpec& linear) {
      auto weight = open_linear(checkpoint, quant, linear);
      auto& slot = largest[weight->format()];
      if (!slot || weight->rows() * weight->cols() > slot->rows() * slot->cols()) slot = std::move(weight);
    });
  }
  for (const auto& [format, weight] : largest) {
    const std::string model = checkpoint.path().filename().string();
    if (!large || !measure_enlarged(model, checkpoint, quant, *weight, pool)) measure(model, *weight, pool);
  }
}

void run(int argc, char** argv) {
  int threads = 2, first = 1;
  if (argc > 2 && std::string(argv[1]) == "--threads") threads = std::stoi(argv[2]), first = 3;
  const bool large = first < argc && std::string(argv[first]) == "--enlarge";
  if (large) ++first;
  if (first >= argc) fail("usage: bench_decode [--threads 2] [--enlarge] MODEL...");
  ThreadPool pool(threads);
  for (int i = first; i < argc; ++i) {
    try {
      measure_model(argv[i], large, pool);
    } catch (const Error& error) {
      fmt::print(stderr, "left out: {}\n", error.what());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_decode: {}\n", error.what());
    return 2;
  }
}

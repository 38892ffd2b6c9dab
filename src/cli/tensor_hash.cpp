#include "cli/tensor_hash.h"

#include <algorithm>

#include "base/hash.h"
#include "cli/interrupt.h"
#include "model/linears.h"

namespace assay {

namespace {

constexpr int64_t kTileFloats = int64_t{1} << 21;

/// Rows [first, first + rows): as many tiles as there are threads are decoded at once, then hashed in order.
std::string hash_rows(const StoredWeight& weight, int64_t first, int64_t rows, ThreadPool& pool) {
  const int64_t alignment = weight.row_alignment();
  const int64_t tile = std::max<int64_t>(kTileFloats / weight.cols() / alignment, 1) * alignment;
  const int64_t begin = first / tile * tile, end = first + rows;
  std::vector<std::vector<float>> tiles(pool.size());
  Sha256 hash;
  for (int64_t group = begin; group < end; group += tile * pool.size()) {
    stop_if_interrupted();
    pool.run(pool.size(), [&](int64_t i) {
      const int64_t from = std::max(first, group + i * tile), to = std::min(end, group + (i + 1) * tile);
      tiles[i].resize(std::max<int64_t>(to - from, 0) * weight.cols());
      if (from < to) weight.decode(from, to, tiles[i].data());
    });
    for (const std::vector<float>& values : tiles) hash.update(values.data(), values.size() * sizeof(float));
  }
  return hash.hex();
}

std::string hash_linear(const StoredWeight& weight, const LinearSpec& linear, ThreadPool& pool) {
  if (linear.run == 0 && linear.stack_rows == 0) return hash_rows(weight, linear.first_row, linear.out, pool);
  std::vector<float> values(static_cast<size_t>(linear.out * linear.in));
  decode_linear(weight, linear, 0, linear.out, values.data());
  Sha256 hash;
  hash.update(values.data(), values.size() * sizeof(float));
  return hash.hex();
}

}  // namespace

std::map<std::string, std::string> hash_weights(const OpenModel& model, ThreadPool& pool, const Console& console) {
  const auto& [checkpoint, quant, spec] = model;
  std::map<std::string, std::string> hashes;
  Progress progress(console, "Hashing");
  const double steps = static_cast<double>(spec->layers.size()) + 2;

  const auto embedding = open_embedding(*checkpoint, *quant, *spec);
  hashes[spec->embedding_dense_name] = hash_rows(*embedding, 0, embedding->rows(), pool);
  const auto hash = [&](const LinearSpec& linear) {
    hashes[linear.dense_name] = hash_linear(*open_linear(*checkpoint, *quant, linear), linear, pool);
  };
  if (spec->layer_inputs) {
    const auto table = open_layer_embedding(*checkpoint, *quant, *spec);
    hashes[spec->layer_inputs->embedding_dense_name] = hash_rows(*table, 0, table->rows(), pool);
  }
  for_each_linear_before(*spec, hash);
  for (size_t i = 0; i < spec->layers.size(); ++i) {
    progress.update(static_cast<double>(i + 1) / steps);
    for_each_linear(spec->layers[i], hash);
  }
  if (spec->project) hash(*spec->project);
  if (!spec->tied) {
    hashes[spec->head.dense_name] = hash_linear(*open_head(*checkpoint, *quant, *spec), spec->head, pool);
  }
  progress.update(1);
  return hashes;
}

}  // namespace assay

#include <cmath>

#include "base/error.h"
#include "formats/format.h"
#include "formats/shared/reading.h"

namespace assay {

namespace {

/// random-hadamard matrices may come with a permutation of rows and columns: weight[perm][:, perm].
std::vector<int64_t> permutation_of(const Checkpoint& checkpoint, const StoredTensor& matrix, int64_t n) {
  std::vector<int64_t> order(n);
  for (int64_t i = 0; i < n; ++i) order[i] = i;
  const std::string base = matrix.name.substr(0, matrix.name.rfind('.'));
  const StoredTensor* stored = checkpoint.find(base + ".perm");
  if (!stored) return order;
  if (stored->dtype != DType::I64 || stored->elements() != n) {
    fail("{}: expected I64 [{}], found {}", stored->name, n, stored->describe());
  }
  order = read_elements<int64_t>(checkpoint, *stored);
  std::vector<bool> seen(n);
  for (int64_t place : order) {
    if (place < 0 || place >= n || seen[place]) fail("{}: not a permutation of 0 to {}", stored->name, n - 1);
    seen[place] = true;
  }
  return order;
}

}  // namespace

std::vector<float> load_transform(const Checkpoint& checkpoint, const OnlineTransform& transform) {
  const StoredTensor& stored = *transform.matrix;
  const int64_t n = transform.n;
  if (stored.shape != std::vector<int64_t>{n, n}) {
    fail("{}: expected a matrix [{}, {}], found {}", stored.name, n, n, stored.describe());
  }
  const std::vector<float> matrix = read_floats(checkpoint, stored);
  const std::vector<int64_t> order = permutation_of(checkpoint, stored, n);
  // y = x M / sqrt(n) is y = x W^T with W = M^T / sqrt(n).
  std::vector<float> weight(n * n);
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t col = 0; col < n; ++col) {
      const float value = matrix[order[row] * n + order[col]];
      if (std::abs(value) != 1) fail("{}: [{}, {}] is {}; expected 1 or -1", stored.name, row, col, value);
      const int64_t at = transform.inverse ? row * n + col : col * n + row;
      weight[at] = static_cast<float>(value / std::sqrt(static_cast<double>(n)));
    }
  }
  return weight;
}

}  // namespace assay

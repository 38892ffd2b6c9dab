#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "device/cpu/cpu_device.h"
#include "device/cpu/kernels.h"
#include "device/cpu/simd.h"

namespace assay {

namespace {

using simd::Floats;
using simd::kLanes;

/// Queries that are handled at once; key ranges are rounded to multiples of it, which bounds the number of sizes that
/// oneDNN has to generate code for.
constexpr int64_t kQueryTile = 128;

/// scores [first, last) become exp(scale * score - max), the others up to `width` 0; returns the sum, in which `sink`
/// takes part as one more scaled score. `width` is the row's padded length, a multiple of 16.
ASSAY_CLONES float softmax_row(float* scores, int64_t first, int64_t last, int64_t width, float scale, float sink) {
  const float kNone = -INFINITY;
  for (int64_t i = 0; i < first; ++i) scores[i] = kNone;
  for (int64_t i = last; i < width; ++i) scores[i] = kNone;
  const int64_t begin = first / kLanes * kLanes, end = (last + kLanes - 1) / kLanes * kLanes;
  Floats best, factor;
  simd::splat(kNone, best);
  simd::splat(scale, factor);
  for (int64_t i = begin; i < end; i += kLanes) {
    Floats v;
    simd::load(scores + i, v);
    best = v > best ? v : best;
  }
  const float top = std::max(simd::max(best) * scale, sink);
  Floats shift, total{};
  simd::splat(top, shift);
  for (int64_t i = begin; i < end; i += kLanes) {
    Floats v;
    simd::load(scores + i, v);
    v = v * factor - shift;
    simd::exp(v);
    total += v;
    simd::store(scores + i, v);
  }
  for (int64_t i = 0; i < begin; ++i) scores[i] = 0;
  for (int64_t i = end; i < width; ++i) scores[i] = 0;
  return simd::sum(total) + std::exp(sink - top);
}

/// scores [first, last) become capped(scale * score) + bias.
ASSAY_CLONES void shape_row(float* scores, int64_t first, int64_t last, float scale, float softcap, const float* bias) {
  const float before = softcap > 0 ? scale / softcap : scale, after = softcap > 0 ? softcap : 1;
  for (int64_t i = first; i < last; i += kLanes) {
    const int64_t n = last - i < kLanes ? last - i : kLanes;
    Floats v, b{};
    simd::load_part(scores + i, n, 0, v);
    if (bias) simd::load_part(bias + i, n, 0, b);
    v = v * before;
    const Floats poison = v - v;  // a cap must not hide an Inf
    if (softcap > 0) simd::tanh(v);
    v = v * after + b + poison;
    for (int64_t l = 0; l < n; ++l) scores[i + l] = v[l];
  }
}

/// Operands of one attention call: head-major copies, so that each product sees dense matrices, rounded if need be.
struct Operands {
  Precision precision;  // of the arithmetic
  Precision element;    // as stored
  size_t element_bytes() const { return element == Precision::bf16 ? sizeof(bf16) : sizeof(float); }

  void take(const float* from, int64_t count, void* to) const {
    if (element == Precision::bf16) {
      to_bf16(from, count, static_cast<bf16*>(to));
    } else {
      std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
      if (precision == Precision::bf16) round_to_bf16(static_cast<float*>(to), count);
    }
  }
  /// Head h of rows [first, first + count), zero-padded to `padded` rows: [padded, head_dim] dense.
  void take_head(Matrix x, int64_t first, int64_t count, int64_t padded, int64_t head, int64_t head_dim,
                 std::byte* to) const {
    const size_t row_bytes = static_cast<size_t>(head_dim) * element_bytes();
    for (int64_t r = 0; r < count; ++r) take(x.row(first + r) + head * head_dim, head_dim, to + r * row_bytes);
    std::memset(to + count * row_bytes, 0, static_cast<size_t>(padded - count) * row_bytes);
  }
};

int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

int64_t width_of_values(const AttentionShape& shape) {
  return shape.value_dim > 0 ? shape.value_dim : shape.head_dim;
}

/// The first key that a query sees.
int64_t oldest_key(const AttentionShape& shape, int64_t position) {
  int64_t oldest = 0;
  if (shape.window > 0) oldest = std::max(oldest, position - shape.window + 1);
  if (shape.chunk > 0) oldest = std::max(oldest, position / shape.chunk * shape.chunk);
  return oldest;
}

/// One query tile of one head. keys and values: the head's [padded length, head_dim] and [padded length, value_dim].
void attend(const Operands& operands, Matrix q, Matrix out, int64_t sequence, int64_t tile, int64_t length,
            int64_t head, const AttentionShape& shape, const std::byte* keys, const std::byte* values) {
  thread_local AlignedBytes query_scratch, score_scratch, rounded_scratch, out_scratch;
  const int64_t d = shape.head_dim, value_dim = width_of_values(shape);
  const int64_t first_query = tile * kQueryTile, queries = std::min(kQueryTile, length - first_query);
  const int64_t last_key = round_up(first_query + queries, kQueryTile);
  const int64_t first_key = oldest_key(shape, first_query) / kQueryTile * kQueryTile;
  const int64_t width = last_key - first_key;
  const auto skipped = [&](int64_t row) { return static_cast<size_t>(first_key * row) * operands.element_bytes(); };

  auto* query = query_scratch.as<std::byte>(kQueryTile * d * static_cast<int64_t>(sizeof(float)));
  operands.take_head(q, sequence + first_query, queries, kQueryTile, head, d, query);
  auto* scores = score_scratch.as<float>(kQueryTile * width);
  Gemm::get(operands.element, Gemm::Layout::transposed, kQueryTile, width, d).run(query, keys + skipped(d), scores);

  const float sink = shape.sinks ? shape.sinks[head] : -INFINITY;
  const float* bias = shape.key_bias ? shape.key_bias + head * length + first_key : nullptr;
  const bool shaped = shape.softcap > 0 || bias;
  float sums[kQueryTile];
  for (int64_t r = 0; r < kQueryTile; ++r) {
    const int64_t position = std::min(first_query + r, length - 1);  // rows of padding repeat the last query
    const int64_t first = oldest_key(shape, position) - first_key, last = position + 1 - first_key;
    float* row = scores + r * width;
    if (shaped) shape_row(row, first, last, shape.scale, shape.softcap, bias);
    sums[r] = softmax_row(row, first, last, width, shaped ? 1 : shape.scale, sink);
  }
  const void* weights = scores;
  if (operands.precision == Precision::bf16) {
    auto* rounded = rounded_scratch.as<std::byte>(kQueryTile * width * static_cast<int64_t>(operands.element_bytes()));
    operands.take(scores, kQueryTile * width, rounded);
    weights = rounded;
  }
  auto* result = out_scratch.as<float>(kQueryTile * value_dim);
  Gemm::get(operands.element, Gemm::Layout::plain, kQueryTile, value_dim, width)
      .run(weights, values + skipped(value_dim), result);
  for (int64_t r = 0; r < queries; ++r) {
    float* to = out.row(sequence + first_query + r) + head * value_dim;
    for (int64_t c = 0; c < value_dim; ++c) to[c] = result[r * value_dim + c] / sums[r];
  }
}

}  // namespace

void CpuDevice::attention(Matrix q, Matrix k, Matrix v, Matrix out, int64_t length, const AttentionShape& shape,
                          Precision precision) {
  const int64_t d = shape.head_dim, value_dim = width_of_values(shape), group = shape.heads / shape.kv_heads;
  ASSAY_CHECK(q.rows % length == 0 && q.cols == shape.heads * d && k.cols == shape.kv_heads * d);
  ASSAY_CHECK(v.cols == shape.kv_heads * value_dim && out.cols == shape.heads * value_dim);
  const Operands operands{precision, element_of(precision)};
  const int64_t sequences = q.rows / length, padded = round_up(length, kQueryTile);
  const size_t key_bytes = static_cast<size_t>(padded * d) * operands.element_bytes();
  const size_t head_bytes = key_bytes + static_cast<size_t>(padded * value_dim) * operands.element_bytes();

  AlignedBytes heads(head_bytes * static_cast<size_t>(sequences * shape.kv_heads));
  auto* const base = static_cast<std::byte*>(heads.data());
  const auto keys_of = [&](int64_t sequence, int64_t head) {
    return base + head_bytes * static_cast<size_t>(sequence * shape.kv_heads + head);
  };
  pool_.run(sequences * shape.kv_heads, [&](int64_t i) {
    const int64_t sequence = i / shape.kv_heads, head = i % shape.kv_heads;
    std::byte* const keys = keys_of(sequence, head);
    operands.take_head(k, sequence * length, length, padded, head, d, keys);
    operands.take_head(v, sequence * length, length, padded, head, value_dim, keys + key_bytes);
  });

  const int64_t tiles = padded / kQueryTile, jobs = sequences * shape.heads;
  pool_.run(tiles * jobs, [&](int64_t i) {
    const int64_t tile = tiles - 1 - i / jobs;  // the longest first
    const int64_t sequence = i % jobs / shape.heads, head = i % shape.heads;
    const std::byte* keys = keys_of(sequence, head / group);
    attend(operands, q, out, sequence * length, tile, length, head, shape, keys, keys + key_bytes);
  });
}

}  // namespace assay

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "device/cpu/cpu_device.h"
#include "device/cpu/simd.h"

namespace assay {

namespace {

using simd::Floats;
using simd::kLanes;

/// Columns that a kernel handles at once; fewer than a vector at the end of a head.
ASSAY_INLINE void load_columns(const float* p, int64_t n, Floats& v) {
  if (n >= kLanes) {
    simd::load(p, v);
  } else {
    simd::load_part(p, n, 0, v);
  }
}
ASSAY_INLINE void store_columns(float* p, int64_t n, const Floats& v) {
  if (n >= kLanes) return simd::store(p, v);
  for (int64_t l = 0; l < n; ++l) p[l] = v[l];
}

ASSAY_INLINE void silu(Floats& v) {
  Floats e = -v;
  simd::exp(e);
  v = v / (e + 1.0f);
}

float softplus(float x) {
  return x > 20 ? x : std::log1p(std::exp(x));
}

/// `first`: row in its sequence.
ASSAY_CLONES void convolve(const float* x, int64_t stride, int64_t first, const float* weight, int64_t kernel,
                           const float* bias, bool activate, int64_t cols, float* y) {
  for (int64_t c = 0; c < cols; c += kLanes) {
    const int64_t n = cols - c;
    Floats sum{};
    if (bias) load_columns(bias + c, n, sum);
    for (int64_t j = std::max<int64_t>(0, kernel - 1 - first); j < kernel; ++j) {
      Floats w, v;
      load_columns(weight + j * cols + c, n, w);
      load_columns(x + (j - kernel + 1) * stride + c, n, v);
      sum += w * v;
    }
    if (activate) silu(sum);
    store_columns(y + c, n, sum);
  }
}

/// One head's share of linear attention, at one token.
struct Token {
  const float *q, *k, *v;
  float decay, write, skip;
  float* out;
};

/// sum over i of row[i] * state[i], in four sums that do not wait for each other.
ASSAY_INLINE void read_state(const float* row, const float* state, int64_t key_dim, Floats& sum) {
  Floats parts[4] = {};
  int64_t i = 0;
  for (; i + 4 <= key_dim; i += 4) {
    for (int p = 0; p < 4; ++p) {
      Floats s;
      simd::load(state + (i + p) * kLanes, s);
      parts[p] += s * row[i + p];
    }
  }
  for (; i < key_dim; ++i) {
    Floats s;
    simd::load(state + i * kLanes, s);
    parts[0] += s * row[i];
  }
  sum = (parts[0] + parts[1]) + (parts[2] + parts[3]);
}

/// Sixteen columns of one head's state, [key_dim, 16], for one token; columns do not see each other.
ASSAY_CLONES void linear_attention_step(const Token& token, int64_t key_dim, int64_t columns, bool delta,
                                        float* state) {
  Floats value, result;
  load_columns(token.v, columns, value);
  const Floats skipped = value * token.skip;
  if (delta) {
    Floats known;
    read_state(token.k, state, key_dim, known);
    value -= known * token.decay;
  }
  value *= token.write;
  for (int64_t i = 0; i < key_dim; ++i) {
    Floats s;
    simd::load(state + i * kLanes, s);
    s = s * token.decay + value * token.k[i];
    simd::store(state + i * kLanes, s);
  }
  read_state(token.q, state, key_dim, result);
  result += skipped;
  store_columns(token.out, columns, result);
}

/// Sixteen channels at one token. a, state [states, 16].
ASSAY_CLONES void scan_step(const float* x, const float* dt, const float* a, const float* b, const float* c,
                            const float* d, int64_t states, int64_t channels, float* state, float* out) {
  Floats in, step, skip;
  load_columns(x, channels, in);
  load_columns(d, channels, skip);
  simd::load(dt, step);
  const Floats written = step * in;
  Floats sum = skip * in;
  for (int64_t s = 0; s < states; ++s) {
    Floats h, decay;
    simd::load(a + s * kLanes, decay);
    simd::load(state + s * kLanes, h);
    decay = decay * step;
    simd::exp(decay);
    h = h * decay + written * b[s];
    simd::store(state + s * kLanes, h);
    sum += h * c[s];
  }
  store_columns(out, channels, sum);
}

}  // namespace

void CpuDevice::causal_conv(Matrix x, const float* weight, int64_t kernel, const float* bias, bool silu, int64_t length,
                            Matrix y) {
  ASSAY_CHECK(x.rows == y.rows && x.cols == y.cols && x.rows % length == 0 && kernel > 0 && x.data != y.data);
  for_row_tiles(x.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      convolve(x.row(r), x.stride, r % length, weight, kernel, bias, silu, x.cols, y.row(r));
    }
  });
}

void CpuDevice::time_steps(Matrix dt, const float* bias, const float* a_log, float low, float high, Matrix decay) {
  ASSAY_CHECK(dt.rows == decay.rows && dt.cols == decay.cols);
  for_row_tiles(dt.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      float *step = dt.row(r), *factor = decay.row(r);
      for (int64_t h = 0; h < dt.cols; ++h) {
        const float open = softplus(step[h] + bias[h]);
        step[h] = open < low ? low : open > high ? high : open;
        factor[h] = std::exp(-std::exp(a_log[h]) * step[h]);
      }
    }
  });
}

void CpuDevice::linear_attention(Matrix q, Matrix k, Matrix v, Matrix decay, Matrix write, Matrix out, int64_t length,
                                 const LinearAttentionShape& shape) {
  const auto& [heads, key_heads, key_dim, value_dim, delta, skip] = shape;
  ASSAY_CHECK(q.rows % length == 0 && heads % key_heads == 0 && q.cols == key_heads * key_dim && k.cols == q.cols);
  ASSAY_CHECK(v.cols == heads * value_dim && out.cols == v.cols && decay.cols == heads && write.cols == heads);
  const int64_t blocks = (value_dim + kLanes - 1) / kLanes, group = heads / key_heads;
  pool_.run(q.rows / length * heads * blocks, [&, shape](int64_t job) {
    thread_local AlignedBytes scratch;
    const int64_t sequence = job / (shape.heads * blocks), head = job / blocks % shape.heads;
    const int64_t column = job % blocks * kLanes, columns = shape.value_dim - column;
    const int64_t key_at = head / group * shape.key_dim, value_at = head * shape.value_dim + column;
    auto* state = scratch.as<float>(shape.key_dim * kLanes);
    std::fill_n(state, shape.key_dim * kLanes, 0.0f);
    for (int64_t r = sequence * length; r < (sequence + 1) * length; ++r) {
      const Token token{.q = q.row(r) + key_at,
                        .k = k.row(r) + key_at,
                        .v = v.row(r) + value_at,
                        .decay = decay.row(r)[head],
                        .write = write.row(r)[head],
                        .skip = shape.skip ? shape.skip[head] : 0,
                        .out = out.row(r) + value_at};
      linear_attention_step(token, shape.key_dim, columns, shape.delta, state);
    }
  });
}

void CpuDevice::selective_scan(Matrix x, Matrix dt, const float* a, Matrix b, Matrix c, const float* d, int64_t length,
                               Matrix out) {
  ASSAY_CHECK(x.rows % length == 0 && x.cols == dt.cols && x.cols == out.cols && b.cols == c.cols);
  const int64_t states = b.cols, blocks = (x.cols + kLanes - 1) / kLanes;
  pool_.run(x.rows / length * blocks, [&](int64_t job) {
    thread_local AlignedBytes scratch;
    const int64_t sequence = job / blocks, channel = job % blocks * kLanes, channels = x.cols - channel;
    auto* own_a = scratch.as<float>(2 * states * kLanes);
    float* state = own_a + states * kLanes;
    std::fill_n(own_a, 2 * states * kLanes, 0.0f);
    for (int64_t s = 0; s < states; ++s) {
      std::copy_n(a + s * x.cols + channel, std::min<int64_t>(kLanes, channels), own_a + s * kLanes);
    }
    for (int64_t r = sequence * length; r < (sequence + 1) * length; ++r) {
      float steps[kLanes] = {};
      for (int64_t l = 0; l < std::min<int64_t>(kLanes, channels); ++l) steps[l] = softplus(dt.row(r)[channel + l]);
      scan_step(x.row(r) + channel, steps, own_a, b.row(r), c.row(r), d + channel, states, channels, state,
                out.row(r) + channel);
    }
  });
}

}  // namespace assay

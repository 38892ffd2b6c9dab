#include <cmath>

#include "device/device.h"
#include "support/random.h"
#include "support/support.h"

namespace assay {
namespace {

using test::random_values;
using test::uniform_values;

Matrix view(std::vector<float>& values, int64_t rows, int64_t cols) {
  return {values.data(), rows, cols, cols};
}

double softplus(double x) {
  return std::log1p(std::exp(x));
}

class Recurrence : public testing::Test {
 protected:
  ThreadPool pool_{2};
  std::unique_ptr<Device> device_ = open_device("cpu", pool_);
};

TEST_F(Recurrence, ACausalConvolutionSeesItsOwnSequenceOnly) {
  for (const auto& [length, cols, kernel] : {std::tuple{7, 5, 4}, {70, 33, 3}, {2, 16, 4}, {9, 20, 1}}) {
    const int64_t n = 3 * length;
    auto x = random_values(n * cols, 1), w = random_values(kernel * cols, 2), bias = random_values(cols, 3);
    for (const bool silu : {false, true}) {
      std::vector<float> y(x.size());
      device_->causal_conv(view(x, n, cols), w.data(), kernel, silu ? bias.data() : nullptr, silu, length,
                           view(y, n, cols));
      for (int64_t r = 0; r < n; ++r) {
        for (int64_t c = 0; c < cols; ++c) {
          double sum = silu ? bias[c] : 0;
          for (int64_t j = 0; j < kernel; ++j) {
            const int64_t back = kernel - 1 - j;
            if (r % length >= back) sum += double{w[j * cols + c]} * x[(r - back) * cols + c];
          }
          if (silu) sum /= 1 + std::exp(-sum);
          ASSERT_NEAR(y[r * cols + c], sum, 1e-6 * (1 + std::abs(sum))) << length << " row " << r;
        }
      }
    }
  }
}

TEST_F(Recurrence, TimeStepsAreSoftplusWithinTheirLimits) {
  const int64_t n = 80, heads = 5;
  auto dt = random_values(n * heads, 4, 20), bias = random_values(heads, 5), a_log = random_values(heads, 6);
  const std::vector<float> raw = dt;
  std::vector<float> decay(dt.size());
  device_->time_steps(view(dt, n, heads), bias.data(), a_log.data(), 0.01f, 15.0f, view(decay, n, heads));
  for (int64_t i = 0; i < n * heads; ++i) {
    const double step = std::clamp(softplus(double{raw[i]} + bias[i % heads]), 0.01, 15.0);
    ASSERT_NEAR(dt[i], step, 2e-6 * step);
    ASSERT_NEAR(decay[i], std::exp(-std::exp(double{a_log[i % heads]}) * step), 1e-5);
  }
}

struct Mixed {
  int64_t sequences, length;
  LinearAttentionShape shape;
};

TEST_F(Recurrence, LinearAttentionEqualsItsDefinition) {
  const std::vector<float> skip{0.5f, -1, 2, 3};
  for (const Mixed& m : {Mixed{2, 9, {4, 2, 16, 16, true, skip.data()}}, Mixed{1, 100, {2, 2, 7, 21, true}},
                         Mixed{3, 33, {6, 2, 32, 5, false}}, Mixed{1, 64, {1, 1, 128, 64, false}}}) {
    const auto& [heads, key_heads, dk, dv, delta, skips] = m.shape;
    const int64_t n = m.sequences * m.length;
    // Normalized keys, as all that use the delta rule have them: it diverges for long ones.
    auto q = random_values(n * key_heads * dk, 7), k = random_values(n * key_heads * dk, 8, 1 / std::sqrt(float(dk)));
    auto v = random_values(n * heads * dv, 9);
    auto decay = uniform_values(n * heads, 10, 0.5f, 1), write = uniform_values(n * heads, 11, 0, 1);
    std::vector<float> out(v.size());
    device_->linear_attention(view(q, n, key_heads * dk), view(k, n, key_heads * dk), view(v, n, heads * dv),
                              view(decay, n, heads), view(write, n, heads), view(out, n, heads * dv), m.length,
                              m.shape);
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t key = h / (heads / key_heads) * dk;
      std::vector<double> state(static_cast<size_t>(dk * dv));
      for (int64_t r = 0; r < n; ++r) {
        if (r % m.length == 0) std::fill(state.begin(), state.end(), 0);
        const float *qr = &q[r * key_heads * dk + key], *kr = &k[r * key_heads * dk + key];
        for (int64_t j = 0; j < dv; ++j) {
          double known = 0, result = 0, size = 0;
          if (skips) result = skips[h] * v[r * heads * dv + h * dv + j];
          for (int64_t i = 0; i < dk; ++i) known += kr[i] * (state[i * dv + j] *= decay[r * heads + h]);
          const double u = write[r * heads + h] * (v[r * heads * dv + h * dv + j] - (delta ? known : 0));
          for (int64_t i = 0; i < dk; ++i) {
            result += qr[i] * (state[i * dv + j] += kr[i] * u);
            size += std::abs(qr[i] * state[i * dv + j]);
          }
          ASSERT_NEAR(out[r * heads * dv + h * dv + j], result, 2e-6 * (1 + size)) << "row " << r << " head " << h;
        }
      }
    }
  }
}

TEST_F(Recurrence, ASelectiveScanEqualsItsDefinition) {
  for (const auto& [sequences, length, channels, states] : {std::tuple{2, 11, 19, 8}, {1, 90, 64, 16}, {3, 5, 3, 1}}) {
    const int64_t n = sequences * length;
    auto x = random_values(n * channels, 12), dt = random_values(n * channels, 13, 2), d = random_values(channels, 14);
    auto b = random_values(n * states, 15), c = random_values(n * states, 16);
    auto a = uniform_values(states * channels, 17, -4, -0.05f);
    std::vector<float> out(x.size());
    device_->selective_scan(view(x, n, channels), view(dt, n, channels), a.data(), view(b, n, states),
                            view(c, n, states), d.data(), length, view(out, n, channels));
    for (int64_t ch = 0; ch < channels; ++ch) {
      std::vector<double> h(static_cast<size_t>(states));
      for (int64_t r = 0; r < n; ++r) {
        if (r % length == 0) std::fill(h.begin(), h.end(), 0);
        const double step = softplus(dt[r * channels + ch]), in = x[r * channels + ch];
        double sum = d[ch] * in, size = std::abs(sum);
        for (int64_t s = 0; s < states; ++s) {
          h[s] = std::exp(a[s * channels + ch] * step) * h[s] + step * b[r * states + s] * in;
          sum += c[r * states + s] * h[s];
          size += std::abs(c[r * states + s] * h[s]);
        }
        ASSERT_NEAR(out[r * channels + ch], sum, 2e-6 * (1 + size)) << "row " << r << " channel " << ch;
      }
    }
  }
}

TEST_F(Recurrence, WhatDoesNotStandOutOfItsRowIsCutOff) {
  const int64_t rows = 40, cols = 37;
  auto x = random_values(rows * cols, 26, 3);
  const std::vector<float> before = x;
  device_->keep_outstanding(view(x, rows, cols), 0.7f);
  for (int64_t r = 0; r < rows; ++r) {
    double sum = 0, squares = 0;
    for (int64_t c = 0; c < cols; ++c) sum += before[r * cols + c];
    for (int64_t c = 0; c < cols; ++c) squares += std::pow(before[r * cols + c] - sum / cols, 2);
    const double floor = sum / cols + 0.7 * std::sqrt(squares / cols);
    for (int64_t c = 0; c < cols; ++c) {
      ASSERT_NEAR(x[r * cols + c], std::max(before[r * cols + c] - floor, 0.0), 2e-6) << r << " " << c;
    }
  }
}

TEST_F(Recurrence, ResultsDependNeitherOnThreadsNorOnTheRowsBeside) {
  const int64_t length = 40, n = 2 * length, heads = 4, dk = 16, dv = 24;
  auto q = random_values(n * heads * dk, 18), k = random_values(n * heads * dk, 19, 0.25f);
  auto v = random_values(n * heads * dv, 20);
  auto decay = uniform_values(n * heads, 21, 0.5f, 1), write = uniform_values(n * heads, 22, 0, 1);
  const auto run = [&](int threads, int64_t first, int64_t rows) {
    ThreadPool pool(threads);
    const auto device = open_device("cpu", pool);
    std::vector<float> out(static_cast<size_t>(rows * heads * dv));
    const auto part = [&](std::vector<float>& x, int64_t cols) { return view(x, n, cols).row_range(first, rows); };
    device->linear_attention(part(q, heads * dk), part(k, heads * dk), part(v, heads * dv), part(decay, heads),
                             part(write, heads), view(out, rows, heads * dv), length, {heads, heads, dk, dv, true});
    return out;
  };
  const std::vector<float> together = run(1, 0, n), second = run(3, length, length);
  EXPECT_EQ(run(5, 0, n), together);
  EXPECT_TRUE(std::equal(second.begin(), second.end(), together.begin() + length * heads * dv));
}

TEST_F(Recurrence, AttentionMayHaveValuesOfAnotherSizeThanKeys) {
  const int64_t length = 150, heads = 2, dk = 24, dv = 13;
  auto q = random_values(length * heads * dk, 23), k = random_values(length * heads * dk, 24);
  auto v = random_values(length * heads * dv, 25);
  std::vector<float> out(v.size());
  device_->attention(view(q, length, heads * dk), view(k, length, heads * dk), view(v, length, heads * dv),
                     view(out, length, heads * dv), length,
                     {.heads = heads, .kv_heads = heads, .head_dim = dk, .scale = 0.2f, .value_dim = dv},
                     Precision::f32);
  for (int64_t r = 0; r < length; ++r) {
    for (int64_t h = 0; h < heads; ++h) {
      std::vector<double> expected(static_cast<size_t>(dv));
      double total = 0;
      for (int64_t j = 0; j <= r; ++j) {
        double score = 0;
        for (int64_t i = 0; i < dk; ++i) score += double{q[(r * heads + h) * dk + i]} * k[(j * heads + h) * dk + i];
        const double weight = std::exp(0.2 * score);
        total += weight;
        for (int64_t i = 0; i < dv; ++i) expected[i] += weight * v[(j * heads + h) * dv + i];
      }
      for (int64_t i = 0; i < dv; ++i) ASSERT_NEAR(out[(r * heads + h) * dv + i], expected[i] / total, 1e-5);
    }
  }
}

}  // namespace
}  // namespace assay

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "device/device.h"
#include "support/random.h"
#include "support/support.h"

namespace assay {
namespace {

using test::random_values;

Matrix view(std::vector<float>& values, int64_t rows, int64_t cols) {
  return {values.data(), rows, cols, cols};
}

float rounded_to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u;
  std::memcpy(&x, &bits, 4);
  return x;
}

class CpuDevice : public testing::TestWithParam<Precision> {
 protected:
  ThreadPool pool_{2};
  std::unique_ptr<Device> device_ = open_device("cpu", pool_);

  float operand(float x) const { return GetParam() == Precision::bf16 ? rounded_to_bf16(x) : x; }
};
INSTANTIATE_TEST_SUITE_P(Precisions, CpuDevice, testing::Values(Precision::f32, Precision::bf16),
                         [](const auto& info) { return info.param == Precision::f32 ? "f32" : "bf16"; });

// A float32 dot product of length k is off by at most about k * eps * sum|a*b| (Higham, Accuracy and Stability, 3.1);
// blocked sums stay far below, so sqrt(k) * eps * sum|a*b| with a factor of 4 is a tight and safe bound.
double dot_bound(int64_t k, double absolute) {
  return 4 * std::sqrt(static_cast<double>(k)) * 6e-8 * absolute;
}

TEST_P(CpuDevice, MatmulEqualsDoublePrecisionWithinRounding) {
  for (const auto& [n, out, in] : {std::tuple{1, 5, 7}, {128, 64, 96}, {131, 192, 576}, {300, 3000, 80}}) {
    auto x = random_values(n * in, 1), w = random_values(out * in, 2);
    std::vector<float> y(static_cast<size_t>(n * out), 3.0f);
    const auto weight = device_->prepare(w, out, in, GetParam());
    device_->matmul(view(x, n, in), *weight, view(y, n, out), true);
    for (int64_t r = 0; r < n; r += 17) {
      for (int64_t c = 0; c < out; c += 13) {
        double sum = 3, absolute = 3;
        for (int64_t k = 0; k < in; ++k) {
          const double product = double{operand(x[r * in + k])} * operand(w[c * in + k]);
          sum += product;
          absolute += std::abs(product);
        }
        ASSERT_NEAR(y[r * out + c], sum, dot_bound(in, absolute)) << n << "x" << out << "x" << in;
      }
    }
  }
}

TEST_P(CpuDevice, ARowDoesNotDependOnTheRowsBesideIt) {
  const int64_t n = 333, out = 2500, in = 576;
  auto x = random_values(n * in, 3), w = random_values(out * in, 4);
  const auto weight = device_->prepare(w, out, in, GetParam());
  std::vector<float> together(static_cast<size_t>(n * out)), alone(static_cast<size_t>(out));
  device_->matmul(view(x, n, in), *weight, view(together, n, out), false);
  for (const int64_t r : {0, 1, 7, 126, 127, 128, 200, 332}) {
    std::vector<float> row(x.begin() + r * in, x.begin() + (r + 1) * in);
    device_->matmul(view(row, 1, in), *weight, view(alone, 1, out), false);
    ASSERT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + r * out)) << r;
  }
}

TEST_P(CpuDevice, AttentionEqualsTheDefinition) {
  struct Case {
    int64_t length, heads, kv_heads, head_dim, window, chunk = 0;
    float softcap = 0;
    bool biased = false;
  };
  for (const Case& c : {Case{5, 2, 1, 16, 0},
                        {128, 4, 2, 64, 0},
                        {300, 6, 2, 32, 0},
                        {300, 2, 2, 48, 40},
                        {270, 2, 1, 64, 200},
                        {300, 2, 1, 32, 0, 70},
                        {300, 2, 2, 32, 50, 130},
                        {300, 2, 1, 32, 0, 0, 2.5f},
                        {200, 4, 2, 32, 0, 0, 0, true},
                        {150, 2, 2, 40, 33, 0, 3.0f, true}}) {
    const int64_t sequences = 2, n = sequences * c.length, width = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
    auto q = random_values(n * width, 5), k = random_values(n * kv, 6), v = random_values(n * kv, 7);
    std::vector<float> out(static_cast<size_t>(n * width));
    AttentionShape shape{c.heads, c.kv_heads, c.head_dim, 1 / std::sqrt(static_cast<float>(c.head_dim)), c.window};
    const auto bias = random_values(c.heads * c.length, 17);
    shape.chunk = c.chunk;
    shape.softcap = c.softcap;
    if (c.biased) shape.key_bias = bias.data();
    device_->attention(view(q, n, width), view(k, n, kv), view(v, n, kv), view(out, n, width), c.length, shape,
                       GetParam());
    for (int64_t r = 0; r < n; r += 7) {
      const int64_t start = r / c.length * c.length, position = r % c.length;
      const int64_t oldest = std::max<int64_t>(c.window ? std::max<int64_t>(0, position - c.window + 1) : 0,
                                               c.chunk ? position / c.chunk * c.chunk : 0);
      for (int64_t h = 0; h < c.heads; ++h) {
        const int64_t kv_at = h / (c.heads / c.kv_heads) * c.head_dim;
        std::vector<double> weights;
        double total = 0;
        for (int64_t j = oldest; j <= position; ++j) {
          double score = 0;
          for (int64_t d = 0; d < c.head_dim; ++d)
            score += double{operand(q[r * width + h * c.head_dim + d])} * operand(k[(start + j) * kv + kv_at + d]);
          score *= shape.scale;
          if (c.softcap > 0) score = c.softcap * std::tanh(score / c.softcap);
          if (c.biased) score += bias[h * c.length + j];
          weights.push_back(std::exp(score));
          total += weights.back();
        }
        for (int64_t d = 0; d < c.head_dim; d += 5) {
          double expected = 0;
          for (int64_t j = oldest; j <= position; ++j)
            expected += weights[j - oldest] / total * operand(v[(start + j) * kv + kv_at + d]);
          // float32: scores of size ~5 carry eps * 5 into the exponent. bf16 rounds the softmax weights: 2^-9 each.
          const double tolerance = GetParam() == Precision::f32 ? 1e-5 : std::ldexp(1, -9) * 2;
          ASSERT_NEAR(out[r * width + h * c.head_dim + d], expected, tolerance) << c.length << " row " << r;
        }
      }
    }
  }
}

TEST_P(CpuDevice, ResultsAreBitIdenticalForAnyNumberOfThreads) {
  const int64_t n = 2 * 200, width = 4 * 32, kv = 2 * 32;
  auto q = random_values(n * width, 8), k = random_values(n * kv, 9), v = random_values(n * kv, 10),
       w = random_values(width * width, 11);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    const auto device = open_device("cpu", pool);
    std::vector<float> out(q.size()), y(q.size());
    device->attention(view(q, n, width), view(k, n, kv), view(v, n, kv), view(out, n, width), 200, {4, 2, 32, 0.2f, 0},
                      GetParam());
    device->matmul(view(out, n, width), *device->prepare(w, width, width, GetParam()), view(y, n, width), false);
    results.push_back(y);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_P(CpuDevice, LogitsAreReducedOverTilesAsOverTheWholeVocabulary) {
  const int64_t n = 150, vocab = 1111, in = 64;
  auto x = random_values(n * in, 12), w = random_values(vocab * in, 13, 0.3f);
  std::vector<int32_t> targets(n);
  for (int64_t r = 0; r < n; ++r) targets[r] = static_cast<int32_t>(r * 7919 % vocab);
  std::vector<LogitSummary> state(n);
  for (int64_t first = 0; first < vocab; first += 400) {
    const int64_t rows = std::min<int64_t>(400, vocab - first);
    const auto tile = device_->prepare(std::span(w).subspan(first * in, rows * in), rows, in, GetParam());
    device_->reduce_logits(view(x, n, in), *tile, first, {targets, state});
  }
  std::vector<float> logits(n * vocab);
  device_->matmul(view(x, n, in), *device_->prepare(w, vocab, in, GetParam()), view(logits, n, vocab), false);
  for (int64_t r = 0; r < n; ++r) {
    const float* row = logits.data() + r * vocab;
    const float top = *std::max_element(row, row + vocab);
    double sum = 0;
    for (int64_t c = 0; c < vocab; ++c) sum += std::exp(double{row[c]} - top);
    ASSERT_NEAR(state[r].nll(), std::log(sum) + top - row[targets[r]], 1e-6) << r;
    ASSERT_EQ(state[r].top, std::max_element(row, row + vocab) - row);
    ASSERT_TRUE(state[r].finite);
  }
}

TEST_P(CpuDevice, LogitsAreComparedWithAReferenceOfAnotherWidth) {
  const int64_t n = 130, vocab = 5000, in = 48, reference_in = 4096;  // their panels of rows differ
  auto x = random_values(n * in, 14), w = random_values(vocab * in, 15, 0.4f);
  auto y = random_values(n * reference_in, 16), v = random_values(vocab * reference_in, 17, 0.02f);
  const std::vector<int32_t> targets(n, -1);
  std::vector<LogitSummary> state(n);
  std::vector<TopLogits> top(n);
  std::vector<LogitComparison> comparison(n);
  std::vector<float> a(n * vocab), b(n * vocab);
  device_->matmul(view(x, n, in), *device_->prepare(w, vocab, in, GetParam()), view(a, n, vocab), false);
  for (int64_t r = 0; r < n; ++r) {
    comparison[r].watched = static_cast<int32_t>(r * 31 % vocab);
    comparison[r].threshold = a[r * vocab + comparison[r].watched];
  }
  std::vector<double> jensen_shannon(n);
  for (int64_t at = 0; at < 6000 + 6000; at += 3000) {  // twice over the vocabulary
    const int64_t first = at % 6000, rows = std::min<int64_t>(3000, vocab - first);
    const auto part = [&](std::vector<float>& values, int64_t cols) {
      return device_->prepare(std::span(values).subspan(first * cols, rows * cols), rows, cols, GetParam());
    };
    const auto tile = part(w, in), theirs = part(v, reference_in);
    const Matrix reference{b.data() + first, n, rows, vocab};
    device_->logits(view(y, n, reference_in), *theirs, reference);
    LogitSinks sinks{targets, state, top, comparison, reference};
    if (at >= 6000) sinks.jensen_shannon = jensen_shannon;
    device_->reduce_logits(view(x, n, in), *tile, first, sinks);
  }
  for (int64_t r = 0; r < n; ++r) {
    const std::span<const float> m(&a[r * vocab], vocab), ref(&b[r * vocab], vocab);
    double sum_m = 0, sum_ref = 0, kld = 0, reverse = 0, js = 0;
    int32_t above = 0;
    for (const float value : m) sum_m += std::exp(double{value});
    for (const float value : ref) sum_ref += std::exp(double{value});
    for (int64_t c = 0; c < vocab; ++c) {
      const double p = std::exp(double{ref[c]}) / sum_ref, q = std::exp(double{m[c]}) / sum_m;
      kld += p * std::log(p / q);
      reverse += q * std::log(q / p);
      js += (p * std::log(2 * p / (p + q)) + q * std::log(2 * q / (p + q))) / 2;
      above += m[c] > m[comparison[r].watched];
    }
    ASSERT_NEAR(jensen_shannon[r], js, 1e-6 * js) << r;
    ASSERT_NEAR(comparison[r].kld(), kld, 1e-6 * kld) << r;
    ASSERT_NEAR(comparison[r].reverse_kld(), reverse, 1e-6 * reverse) << r;
    ASSERT_EQ(comparison[r].above, above);
    std::vector<int32_t> order(vocab);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t i, int32_t j) { return m[i] > m[j]; });
    ASSERT_TRUE(std::equal(top[r].id.begin(), top[r].id.end(), order.begin())) << r;
    ASSERT_EQ(top[r].logit[9], m[order[9]]);
  }
}

TEST_P(CpuDevice, SmallDivergencesKeepTheirDigitsAndEqualLogitsHaveNone) {
  const int64_t n = 3, vocab = 2000, in = 32;
  auto x = random_values(n * in, 18), w = random_values(vocab * in, 19, 0.5f), y = x;
  const auto weight = device_->prepare(w, vocab, in, Precision::f32);
  for (const float step : {0.0f, 1e-4f, 1e-2f}) {
    for (size_t i = 0; i < y.size(); ++i) y[i] = x[i] * (1 + step * static_cast<float>(i % 7));
    const std::vector<int32_t> targets(n, -1);
    std::vector<LogitSummary> state(n);
    std::vector<LogitComparison> comparison(n);
    std::vector<float> a(n * vocab), b(n * vocab);
    device_->logits(view(y, n, in), *weight, view(b, n, vocab));
    device_->reduce_logits(view(x, n, in), *weight, 0, {targets, state, {}, comparison, view(b, n, vocab)});
    device_->matmul(view(x, n, in), *weight, view(a, n, vocab), false);
    for (int64_t r = 0; r < n; ++r) {
      long double sum_m = 0, sum_ref = 0, kld = 0;
      for (int64_t c = 0; c < vocab; ++c) {
        sum_m += std::exp(static_cast<long double>(a[r * vocab + c]));
        sum_ref += std::exp(static_cast<long double>(b[r * vocab + c]));
      }
      for (int64_t c = 0; c < vocab; ++c) {
        const long double p = std::exp(static_cast<long double>(b[r * vocab + c])) / sum_ref;
        kld += p * (static_cast<long double>(b[r * vocab + c]) - a[r * vocab + c] + std::log(sum_m / sum_ref));
      }
      if (step == 0) {
        ASSERT_EQ(comparison[r].kld(), 0);
        ASSERT_EQ(comparison[r].reverse_kld(), 0);
      } else {
        ASSERT_NEAR(comparison[r].kld(), static_cast<double>(kld), 1e-6 * static_cast<double>(kld)) << step;
      }
    }
  }
}

class CpuKernels : public testing::Test {
 protected:
  ThreadPool pool_{2};
  std::unique_ptr<Device> device_ = open_device("cpu", pool_);
};

TEST_F(CpuKernels, LogitsBelowTheFloorAndNonFiniteOnesAreSeen) {
  std::vector<float> w(3 * 2), x{1, 0, 2, 0};
  w = {1000, 0, -1000, 0, 3, 0};
  const auto weight = device_->prepare(w, 3, 2, Precision::f32);
  std::vector<int32_t> targets{1, 2};
  std::vector<LogitSummary> state(2);
  device_->reduce_logits(view(x, 2, 2), *weight, 0, {targets, state});
  EXPECT_FLOAT_EQ(state[0].target, -200);
  EXPECT_TRUE(state[0].finite);
  x = {NAN, 0, INFINITY, 0};
  state.assign(2, {});
  device_->reduce_logits(view(x, 2, 2), *weight, 0, {targets, state});
  EXPECT_FALSE(state[0].finite);
  EXPECT_FALSE(state[1].finite);
}

TEST_F(CpuKernels, RmsNormDividesByTheRootOfTheMeanSquare) {
  for (const int64_t cols : {1, 15, 64, 577}) {
    auto x = random_values(9 * cols, 14), w = random_values(cols, 15);
    std::vector<float> y(x.size());
    device_->rms_norm(view(x, 9, cols), w.data(), 1e-5f, view(y, 9, cols));
    for (int64_t r = 0; r < 9; ++r) {
      double squares = 0;
      for (int64_t c = 0; c < cols; ++c) squares += double{x[r * cols + c]} * x[r * cols + c];
      for (int64_t c = 0; c < cols; ++c) {
        const double expected = w[c] * x[r * cols + c] / std::sqrt(squares / cols + 1e-5);
        ASSERT_NEAR(y[r * cols + c], expected, 1e-6 * std::abs(expected) + 1e-12);
      }
    }
  }
}

TEST_F(CpuKernels, GatesFollowTheirDefinitions) {
  std::vector<float> xs;
  for (float x = -120; x <= 120; x += 0.37f) xs.push_back(x);
  const auto n = static_cast<int64_t>(xs.size());
  std::vector<float> up(xs.size(), 2.0f);
  const auto apply = [&](Device::Gate act) {
    std::vector<float> y = xs;
    device_->gate(act, view(y, 1, n), view(up, 1, n));
    return y;
  };
  const auto silu = apply(Device::Gate::silu), gelu = apply(Device::Gate::gelu), tanh = apply(Device::Gate::gelu_tanh),
             relu2 = apply(Device::Gate::relu2);
  for (int64_t i = 0; i < n; ++i) {
    const double x = xs[i];
    ASSERT_NEAR(silu[i], 2 * x / (1 + std::exp(-x)), 1e-6 * std::abs(x) + 1e-30);
    ASSERT_NEAR(gelu[i], x * (1 + std::erf(x / std::sqrt(2))), 1e-6 * std::abs(x) + 1e-6);
    ASSERT_NEAR(tanh[i], x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))),
                1e-6 * std::abs(x) + 1e-6);
    ASSERT_NEAR(relu2[i], x > 0 ? 2 * x * x : 0, 1e-6 * x * x);
  }
}

TEST_F(CpuKernels, LogitsGetTheirBiasMultiplierAndCap) {
  const int64_t n = 3, vocab = 70, in = 16;
  auto x = random_values(n * in, 20), w = random_values(vocab * in, 21), bias = random_values(vocab, 22);
  const auto weight = device_->prepare(w, vocab, in, Precision::f32);
  weight->logits.bias = device_->allocate(vocab);
  device_->upload(bias, weight->logits.bias.data());
  weight->logits.multiplier = 1.5f;
  weight->logits.softcap = 6;
  std::vector<int32_t> targets{0, 40, 69};
  std::vector<LogitSummary> state(n);
  device_->reduce_logits(view(x, n, in), *weight, 0, {targets, state});
  for (int64_t r = 0; r < n; ++r) {
    double total = 0, target = 0;
    for (int64_t c = 0; c < vocab; ++c) {
      double dot = bias[c];
      for (int64_t k = 0; k < in; ++k) dot += double{x[r * in + k]} * w[c * in + k];
      const double logit = 6 * std::tanh(1.5 * dot / 6);
      total += std::exp(logit);
      if (c == targets[r]) target = logit;
    }
    EXPECT_NEAR(state[r].nll(), std::log(total) - target, 1e-5) << r;
  }
  x[0] = INFINITY;
  state.assign(n, {});
  device_->reduce_logits(view(x, n, in), *weight, 0, {targets, state});
  EXPECT_FALSE(state[0].finite) << "a cap must not hide an Inf";
}

TEST_F(CpuKernels, LayerNormRemovesTheMean) {
  for (const int64_t cols : {2, 15, 64, 577}) {
    auto x = random_values(9 * cols, 14), w = random_values(cols, 15), b = random_values(cols, 16);
    for (float& v : x) v += 3;
    std::vector<float> y(x.size()), plain(x.size());
    device_->layer_norm(view(x, 9, cols), w.data(), b.data(), 1e-5f, view(y, 9, cols));
    device_->layer_norm(view(x, 9, cols), nullptr, nullptr, 1e-5f, view(plain, 9, cols));
    for (int64_t r = 0; r < 9; ++r) {
      double mean = 0, variance = 0;
      for (int64_t c = 0; c < cols; ++c) mean += x[r * cols + c] / static_cast<double>(cols);
      for (int64_t c = 0; c < cols; ++c) variance += std::pow(x[r * cols + c] - mean, 2) / static_cast<double>(cols);
      for (int64_t c = 0; c < cols; ++c) {
        const double normed = (x[r * cols + c] - mean) / std::sqrt(variance + 1e-5);
        ASSERT_NEAR(plain[r * cols + c], normed, 1e-5);
        ASSERT_NEAR(y[r * cols + c], normed * w[c] + b[c], 1e-5 * (1 + std::abs(w[c])));
      }
    }
  }
}

TEST_F(CpuKernels, ActivationsWithoutAGateFollowTheirDefinitions) {
  std::vector<float> xs{-1e-3f, 0, 1e-3f};
  for (float x = -20; x <= 20; x += 0.37f) xs.push_back(x);
  const auto n = static_cast<int64_t>(xs.size());
  std::vector<float> gelu = xs, xielu = xs;
  device_->activate(Device::Gate::gelu_tanh, view(gelu, 1, n));
  device_->xielu({.positive = 0.7f, .negative = 1.3f, .beta = 0.5f}, view(xielu, 1, n));
  for (int64_t i = 0; i < n; ++i) {
    const double x = xs[i], u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
    ASSERT_NEAR(gelu[i], 0.5 * x * (1 + std::tanh(u)), 1e-6 * std::abs(x));
    const double expected = x > 0 ? 0.7 * x * x + 0.5 * x : 1.3 * (std::expm1(x) - x) + 0.5 * x;
    ASSERT_NEAR(xielu[i], expected, 1e-6 * std::max(std::abs(x), x * x));
  }
}

TEST_F(CpuKernels, RowsAreScaledAndClamped) {
  std::vector<float> x{1, 2, 3, 4, 5, 6};
  const std::vector<float> factors{2, -1};
  device_->scale_rows(view(x, 2, 3), factors);
  EXPECT_EQ(x, (std::vector<float>{2, 4, 6, -4, -5, -6}));
  device_->scale(0.5f, view(x, 2, 3));
  EXPECT_EQ(x, (std::vector<float>{1, 2, 3, -2, -2.5f, -3}));
  device_->clamp(view(x, 2, 3), 2.25f);
  EXPECT_EQ(x, (std::vector<float>{1, 2, 2.25f, -2, -2.25f, -2.25f}));
}

TEST_F(CpuKernels, RopeRotatesPairsOfHalvesOrNeighbours) {
  const std::vector<float> cos{1, 0, 0.6f, 0.8f}, sin{0, 1, 0.8f, 0.6f};  // positions 0 and 1, two pairs
  const std::vector<int32_t> second{1};
  const std::vector<float> halves{
      1 * 0.6f - 3 * 0.8f, 2 * 0.8f - 4 * 0.6f, 3 * 0.6f + 1 * 0.8f, 4 * 0.8f + 2 * 0.6f, 5, 0};
  const std::vector<float> neighbours{
      1 * 0.6f - 2 * 0.8f, 2 * 0.6f + 1 * 0.8f, 3 * 0.8f - 4 * 0.6f, 4 * 0.8f + 3 * 0.6f, 5, 0};
  for (const bool interleaved : {false, true}) {
    std::vector<float> x{1, 2, 3, 4, 5, 0};
    device_->rope(view(x, 1, 6), 6, second, cos.data(), sin.data(), 2, interleaved);
    for (int i = 0; i < 6; ++i) EXPECT_NEAR(x[i], (interleaved ? neighbours : halves)[i], 1e-6) << i;
  }
}

TEST_F(CpuKernels, FindsASingleNonFiniteValue) {
  auto x = random_values(100 * 37, 16);
  EXPECT_TRUE(device_->all_finite(view(x, 100, 37)));
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const size_t at : {size_t{0}, size_t{36}, x.size() - 1}) {
      auto y = x;
      y[at] = bad;
      EXPECT_FALSE(device_->all_finite(view(y, 100, 37))) << at;
    }
  }
}

TEST(OpenDevice, RefusesWhatThisBuildDoesNotHave) {
  ThreadPool pool(1);
  EXPECT_THROW(open_device("cuda:0", pool), Error);
  EXPECT_THROW(open_device("tpu", pool), Error);
}

}  // namespace
}  // namespace assay

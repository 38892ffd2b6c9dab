#include <cmath>

#include "base/error.h"
#include "device/cpu/cpu_device.h"
#include "device/cpu/simd.h"

namespace assay {

namespace {

using simd::Floats;
using simd::kLanes;

/// x / (1 + e^-steep), which is x * sigmoid(steep).
ASSAY_INLINE void times_sigmoid(const Floats& steep, Floats& x) {
  Floats e = -steep;
  simd::exp(e);
  x = x / (e + 1.0f);
}

ASSAY_INLINE void activate_lanes(Device::Gate act, Floats& x) {
  const Floats zero{};
  switch (act) {
    case Device::Gate::silu:
      return times_sigmoid(x, x);
    case Device::Gate::gelu_tanh:  // (1 + tanh u) / 2 = sigmoid(2 u)
      return times_sigmoid(1.59576912f * (x + 0.044715f * x * x * x), x);
    case Device::Gate::gelu:
      for (int l = 0; l < kLanes; ++l) x[l] = 0.5f * x[l] * (1.0f + std::erf(x[l] * 0.70710678f));
      return;
    case Device::Gate::relu:
      x = x > zero ? x : zero * x;
      return;
    case Device::Gate::relu2:
      x = x > zero ? x * x : zero * x;
      return;
    case Device::Gate::sigmoid: {
      Floats one = zero + 1.0f;
      times_sigmoid(x, one);
      x = one;
      return;
    }
    case Device::Gate::identity:
    case Device::Gate::clamped_swiglu:  // has a loop of its own
      return;
  }
}

/// x = act(x), times `up` where there is one.
ASSAY_CLONES void activate_row(Device::Gate act, float* x, const float* up, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t n = count - i;
    Floats v, u;
    if (n >= kLanes) {
      simd::load(x + i, v);
    } else {
      simd::load_part(x + i, n, 0, v);
    }
    activate_lanes(act, v);
    if (up && n >= kLanes) {
      simd::load(up + i, u);
      v *= u;
    } else if (up) {
      simd::load_part(up + i, n, 0, u);
      v *= u;
    }
    if (n >= kLanes) {
      simd::store(x + i, v);
    } else {
      for (int64_t l = 0; l < n; ++l) x[i + l] = v[l];
    }
  }
}

void clamped_swiglu(float* gate, const float* up, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float g = gate[i] > 7 ? 7 : gate[i], u = up[i] > 7 ? 7 : up[i] < -7 ? -7 : up[i];
    gate[i] = (u + 1) * g / (1 + std::exp(-1.702f * g));
  }
}

/// e^x - 1 - x loses its digits near 0 unless it goes through expm1.
void xielu_row(const XieluShape& shape, float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float v = x[i];
    const float curved = v > 0 ? shape.positive * v * v : shape.negative * (std::expm1(v) - v);
    x[i] = curved + shape.beta * v;
  }
}

}  // namespace

void CpuDevice::gate(Gate act, Matrix gate, Matrix up) {
  ASSAY_CHECK(gate.rows == up.rows && gate.cols == up.cols);
  for_row_tiles(gate.rows, 16, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      if (act == Gate::clamped_swiglu) {
        clamped_swiglu(gate.row(r), up.row(r), gate.cols);
      } else {
        activate_row(act, gate.row(r), up.row(r), gate.cols);
      }
    }
  });
}

void CpuDevice::activate(Gate act, Matrix x) {
  ASSAY_CHECK(act != Gate::clamped_swiglu);
  for_row_tiles(x.rows, 16, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) activate_row(act, x.row(r), nullptr, x.cols);
  });
}

void CpuDevice::xielu(const XieluShape& shape, Matrix x) {
  for_row_tiles(x.rows, 16, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) xielu_row(shape, x.row(r), x.cols);
  });
}

void CpuDevice::keep_outstanding(Matrix x, float deviations) {
  for_row_tiles(x.rows, 16, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      float* row = x.row(r);
      double sum = 0, squares = 0;
      for (int64_t c = 0; c < x.cols; ++c) sum += row[c];
      const double mean = sum / static_cast<double>(x.cols);
      for (int64_t c = 0; c < x.cols; ++c) squares += (row[c] - mean) * (row[c] - mean);
      const auto floor = static_cast<float>(mean + deviations * std::sqrt(squares / static_cast<double>(x.cols)));
      for (int64_t c = 0; c < x.cols; ++c) row[c] = row[c] - floor > 0 ? row[c] - floor : 0 * row[c];
    }
  });
}

}  // namespace assay

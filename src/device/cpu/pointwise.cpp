#include <cmath>

#include "base/error.h"
#include "device/cpu/cpu_device.h"
#include "device/cpu/kernels.h"
#include "device/cpu/simd.h"

namespace assay {

namespace {

using simd::Floats;
using simd::kLanes;

ASSAY_INLINE uint32_t nearest_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return (bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 0x40u : rounded;
}

ASSAY_CLONES void bf16_of(const float* values, int64_t count, uint16_t* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<uint16_t>(nearest_bf16(values[i]));
}

ASSAY_CLONES void bf16_in_place(float* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) values[i] = std::bit_cast<float>(nearest_bf16(values[i]) << 16);
}

ASSAY_CLONES float sum_of_squares(const float* x, int64_t count) {
  Floats total{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Floats v;
    simd::load(x + i, v);
    total += v * v;
  }
  float rest = 0;
  for (; i < count; ++i) rest += x[i] * x[i];
  return simd::sum(total) + rest;
}

ASSAY_CLONES float sum_of(const float* x, int64_t count) {
  Floats total{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Floats v;
    simd::load(x + i, v);
    total += v;
  }
  float rest = 0;
  for (; i < count; ++i) rest += x[i];
  return simd::sum(total) + rest;
}

ASSAY_CLONES void centered(const float* x, float mean, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] - mean;
}

ASSAY_CLONES void clamped(float* x, float limit, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
}

ASSAY_CLONES void scaled(const float* x, const float* weight, float factor, int64_t count, float* y) {
  if (weight) {
    for (int64_t i = 0; i < count; ++i) y[i] = weight[i] * (x[i] * factor);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = x[i] * factor;
  }
}

ASSAY_CLONES void plus(const float* x, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] += x[i];
}

ASSAY_CLONES void rotate(float* head, const float* cos, const float* sin, int64_t pairs) {
  for (int64_t i = 0; i < pairs; ++i) {
    const float a = head[i], b = head[i + pairs];
    head[i] = a * cos[i] - b * sin[i];
    head[i + pairs] = b * cos[i] + a * sin[i];
  }
}

ASSAY_CLONES void rotate_interleaved(float* head, const float* cos, const float* sin, int64_t pairs) {
  for (int64_t i = 0; i < pairs; ++i) {
    const float a = head[2 * i], b = head[2 * i + 1];
    head[2 * i] = a * cos[i] - b * sin[i];
    head[2 * i + 1] = b * cos[i] + a * sin[i];
  }
}

ASSAY_CLONES bool finite_row(const float* x, int64_t count) {
  Floats poison{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Floats v;
    simd::load(x + i, v);
    poison += v - v;  // 0, or NaN from NaN and Inf
  }
  float rest = 0;
  for (; i < count; ++i) rest += x[i] - x[i];
  return simd::sum(poison) + rest == 0;
}

}  // namespace

void to_bf16(const float* values, int64_t count, uint16_t* out) {
  bf16_of(values, count, out);
}
void round_to_bf16(float* values, int64_t count) {
  bf16_in_place(values, count);
}

void CpuDevice::add_bias(Matrix y, const float* bias) {
  for_row_tiles(y.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) plus(bias, y.cols, y.row(r));
  });
}

void CpuDevice::add(Matrix x, Matrix y) {
  ASSAY_CHECK(x.rows == y.rows && x.cols == y.cols);
  for_row_tiles(y.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) plus(x.row(r), y.cols, y.row(r));
  });
}

void CpuDevice::rms_norm(Matrix x, const float* weight, float eps, Matrix y) {
  ASSAY_CHECK(x.rows == y.rows && x.cols == y.cols);
  for_row_tiles(x.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      const float mean = sum_of_squares(x.row(r), x.cols) / static_cast<float>(x.cols);
      scaled(x.row(r), weight, 1.0f / std::sqrt(mean + eps), x.cols, y.row(r));
    }
  });
}

void CpuDevice::layer_norm(Matrix x, const float* weight, const float* bias, float eps, Matrix y) {
  ASSAY_CHECK(x.rows == y.rows && x.cols == y.cols);
  const auto width = static_cast<float>(x.cols);
  for_row_tiles(x.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      float* out = y.row(r);
      centered(x.row(r), sum_of(x.row(r), x.cols) / width, x.cols, out);
      const float variance = sum_of_squares(out, x.cols) / width;
      scaled(out, weight, 1.0f / std::sqrt(variance + eps), x.cols, out);
      if (bias) plus(bias, x.cols, out);
    }
  });
}

void CpuDevice::rope(Matrix x, int64_t head_dim, std::span<const int32_t> positions, const float* cos, const float* sin,
                     int64_t pairs, bool interleaved) {
  ASSAY_CHECK(x.cols % head_dim == 0 && 2 * pairs <= head_dim && static_cast<int64_t>(positions.size()) == x.rows);
  for_row_tiles(x.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      const int64_t at = positions[r] * pairs;
      for (int64_t head = 0; head < x.cols; head += head_dim) {
        if (interleaved) {
          rotate_interleaved(x.row(r) + head, cos + at, sin + at, pairs);
        } else {
          rotate(x.row(r) + head, cos + at, sin + at, pairs);
        }
      }
    }
  });
}

void CpuDevice::scale(float factor, Matrix x) {
  for_row_tiles(x.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) scaled(x.row(r), nullptr, factor, x.cols, x.row(r));
  });
}

void CpuDevice::scale_rows(Matrix x, std::span<const float> factors) {
  ASSAY_CHECK(static_cast<int64_t>(factors.size()) == x.rows);
  for_row_tiles(x.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) scaled(x.row(r), nullptr, factors[r], x.cols, x.row(r));
  });
}

void CpuDevice::clamp(Matrix x, float limit) {
  for_row_tiles(x.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) clamped(x.row(r), limit, x.cols);
  });
}

bool CpuDevice::all_finite(Matrix x) {
  std::vector<char> tiles(static_cast<size_t>((x.rows + 63) / 64), 1);
  for_row_tiles(x.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) tiles[first / 64] &= finite_row(x.row(r), x.cols);
  });
  for (const char ok : tiles) {
    if (!ok) return false;
  }
  return true;
}

}  // namespace assay

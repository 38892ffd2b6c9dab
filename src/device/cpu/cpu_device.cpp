#include "device/cpu/cpu_device.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "device/open.h"
#include "formats/shared/outliers.h"

namespace assay {

std::unique_ptr<Device> open_cpu_device(ThreadPool& pool) {
  return std::make_unique<CpuDevice>(pool);
}

Buffer CpuDevice::allocate(int64_t floats) {
  auto bytes = std::make_shared<AlignedBytes>(static_cast<size_t>(std::max<int64_t>(floats, 1)) * sizeof(float));
  auto* data = static_cast<float*>(bytes->data());
  return {Buffer::Pointer(data, [bytes](float*) mutable { bytes.reset(); }), floats};
}

void CpuDevice::upload(std::span<const float> host, float* device) {
  std::memcpy(device, host.data(), host.size_bytes());
}
void CpuDevice::download(const float* device, std::span<float> host) {
  std::memcpy(host.data(), device, host.size_bytes());
}

int64_t CpuDevice::preferred_rows() const {
  return kTokenTile * std::max(16, 4 * pool_.size());
}

void CpuDevice::for_row_tiles(int64_t rows, int64_t tile, const std::function<void(int64_t, int64_t)>& body) {
  pool_.run((rows + tile - 1) / tile, [&](int64_t i) { body(i * tile, std::min(tile, rows - i * tile)); });
}

void CpuDevice::gather(Matrix x, std::span<const int32_t> rows, Matrix out) {
  ASSAY_CHECK(out.rows == static_cast<int64_t>(rows.size()) && out.cols == x.cols);
  for_row_tiles(out.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      ASSAY_CHECK(rows[r] >= 0 && rows[r] < x.rows);
      std::memcpy(out.row(r), x.row(rows[r]), static_cast<size_t>(x.cols) * sizeof(float));
    }
  });
}

void CpuDevice::scatter_add(Matrix x, std::span<const int32_t> rows, std::span<const float> scale, Matrix y) {
  ASSAY_CHECK(x.rows == static_cast<int64_t>(rows.size()) && rows.size() == scale.size() && x.cols == y.cols);
  for_row_tiles(x.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      ASSAY_CHECK(rows[r] >= 0 && rows[r] < y.rows);
      const float* from = x.row(r);
      float* to = y.row(rows[r]);
      for (int64_t c = 0; c < x.cols; ++c) to[c] += scale[r] * from[c];
    }
  });
}

void CpuDevice::copy(Matrix x, Matrix y) {
  ASSAY_CHECK(x.rows == y.rows && x.cols == y.cols);
  for_row_tiles(x.rows, 64, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r)
      std::memcpy(y.row(r), x.row(r), static_cast<size_t>(x.cols) * sizeof(float));
  });
}

void CpuDevice::quantize(const ActivationQuant& quant, Matrix x, int64_t call) {
  if (!quant.active()) return;
  if (quant.scope == ActivationQuant::Scope::call) {
    ASSAY_CHECK(call > 0 && x.rows % call == 0);
    return for_row_tiles(x.rows, call, [&](int64_t first, int64_t count) {
      quantize_call(quant, x.row(first), count, x.cols, x.stride);
    });
  }
  for_row_tiles(x.rows, 16, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) quantize_activations(quant, x.row(r), x.cols);
  });
}

}  // namespace assay

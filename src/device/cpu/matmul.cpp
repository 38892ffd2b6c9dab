#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "device/cpu/cpu_device.h"
#include "device/cpu/kernels.h"

namespace assay {

namespace {

/// Rows of W that are decoded, packed and multiplied at once. A panel is at most 16 MiB of float32, so that decoding
/// needs little memory beside the packed weight, and a weight of up to 2048 rows is one panel.
int64_t panel_rows(int64_t cols) {
  constexpr int64_t kPanelFloats = int64_t{4} << 20;
  return std::clamp<int64_t>(kPanelFloats / std::max<int64_t>(cols, 1) / 64 * 64, 64, 2048);
}

struct Panel {
  int64_t first, rows;
  AlignedBytes packed;
};

class PackedWeight final : public Weight {
 public:
  Precision element;  // as stored: float32 too where bf16 operands are emulated
  std::vector<Panel> panels;
};

const Gemm& product(const PackedWeight& weight, const Panel& panel) {
  return Gemm::get(weight.element, Gemm::Layout::packed, kTokenTile, panel.rows, weight.cols);
}

/// The rows of one token tile as a dense, padded operand: x itself where it fits.
const void* operand(Matrix x, int64_t first, int64_t count, const PackedWeight& weight) {
  const bool whole = count == kTokenTile && x.stride == x.cols;
  if (weight.precision == Precision::f32 && whole) return x.row(first);
  thread_local AlignedBytes scratch;
  if (weight.element == Precision::bf16) {
    auto* out = scratch.as<bf16>(kTokenTile * x.cols);
    for (int64_t r = 0; r < count; ++r) to_bf16(x.row(first + r), x.cols, out + r * x.cols);
    std::memset(out + count * x.cols, 0, static_cast<size_t>((kTokenTile - count) * x.cols) * sizeof(bf16));
    return out;
  }
  auto* out = scratch.as<float>(kTokenTile * x.cols);
  for (int64_t r = 0; r < count; ++r) {
    std::memcpy(out + r * x.cols, x.row(first + r), static_cast<size_t>(x.cols) * sizeof(float));
    if (weight.precision == Precision::bf16) round_to_bf16(out + r * x.cols, x.cols);
  }
  std::memset(out + count * x.cols, 0, static_cast<size_t>((kTokenTile - count) * x.cols) * sizeof(float));
  return out;
}

float* result_scratch(int64_t cols) {
  thread_local AlignedBytes scratch;
  return scratch.as<float>(kTokenTile * cols);
}

void move_result(const float* from, int64_t cols, int64_t count, bool accumulate, float* to, int64_t stride) {
  for (int64_t r = 0; r < count; ++r) {
    const float* a = from + r * cols;
    float* b = to + r * stride;
    if (accumulate) {
      for (int64_t c = 0; c < cols; ++c) b[c] += a[c];
    } else {
      std::memcpy(b, a, static_cast<size_t>(cols) * sizeof(float));
    }
  }
}

}  // namespace

std::unique_ptr<Weight> CpuDevice::pack(int64_t rows, int64_t cols, Precision precision, const Fill& fill) {
  auto weight = std::make_unique<PackedWeight>();
  weight->rows = rows;
  weight->cols = cols;
  weight->precision = precision;
  weight->element = element_of(precision);
  for (int64_t first = 0; first < rows; first += panel_rows(cols)) {
    weight->panels.push_back({first, std::min(panel_rows(cols), rows - first), {}});
  }
  pool_.run(static_cast<int64_t>(weight->panels.size()), [&](int64_t i) {
    Panel& panel = weight->panels[i];
    AlignedBytes values(static_cast<size_t>(panel.rows * cols) * sizeof(float));
    auto* decoded = static_cast<float*>(values.data());
    fill(panel.first, panel.rows, decoded);
    if (precision == Precision::bf16 && weight->element == Precision::f32) round_to_bf16(decoded, panel.rows * cols);
    const Gemm& gemm = product(*weight, panel);
    panel.packed.reserve(gemm.packed_bytes());
    gemm.pack(decoded, panel.packed.data());
  });
  for (const Panel& panel : weight->panels) weight->bytes += panel.packed.size();
  return weight;
}

std::unique_ptr<Weight> CpuDevice::prepare(const StoredWeight& source, int64_t first, int64_t rows,
                                           Precision precision) {
  ASSAY_CHECK(first >= 0 && rows > 0 && first + rows <= source.rows());
  return pack(rows, source.cols(), precision, [&](int64_t begin, int64_t count, float* out) {
    source.decode(first + begin, first + begin + count, out);
  });
}

std::unique_ptr<Weight> CpuDevice::prepare(std::span<const float> values, int64_t rows, int64_t cols,
                                           Precision precision) {
  ASSAY_CHECK(static_cast<int64_t>(values.size()) == rows * cols);
  return pack(rows, cols, precision, [&](int64_t begin, int64_t count, float* out) {
    std::memcpy(out, values.data() + begin * cols, static_cast<size_t>(count * cols) * sizeof(float));
  });
}

void CpuDevice::matmul(Matrix x, const Weight& weight, Matrix y, bool accumulate) {
  const auto& w = dynamic_cast<const PackedWeight&>(weight);
  ASSAY_CHECK(x.cols == w.cols && y.cols == w.rows && x.rows == y.rows);
  const auto panels = static_cast<int64_t>(w.panels.size());
  const int64_t tiles = (x.rows + kTokenTile - 1) / kTokenTile;
  pool_.run(tiles * panels, [&](int64_t i) {
    const int64_t first = i / panels * kTokenTile;
    const int64_t count = std::min(kTokenTile, x.rows - first);
    const Panel& panel = w.panels[i % panels];
    const void* a = operand(x, first, count, w);
    float* place = y.row(first) + panel.first;
    const bool direct = !accumulate && count == kTokenTile && y.stride == panel.rows;
    float* c = direct ? place : result_scratch(panel.rows);
    product(w, panel).run(a, panel.packed.data(), c);
    if (!direct) move_result(c, panel.rows, count, accumulate, place, y.stride);
  });
}

namespace {

/// Logits of one token tile and panel, in this thread's scratch until the next call.
float* panel_logits(const PackedWeight& weight, const Panel& panel, const void* operand, int64_t count) {
  float* logits = result_scratch(panel.rows);
  product(weight, panel).run(operand, panel.packed.data(), logits);
  shape_logits(weight.logits, panel.first, panel.rows, count, logits);
  return logits;
}

}  // namespace

void CpuDevice::reduce_logits(Matrix x, const Weight& weight, int64_t first_id, const LogitSinks& sinks) {
  const auto& w = dynamic_cast<const PackedWeight&>(weight);
  const auto fits = [&](size_t entries) { return static_cast<int64_t>(entries) == x.rows; };
  ASSAY_CHECK(x.cols == w.cols && fits(sinks.targets.size()) && fits(sinks.summary.size()));
  ASSAY_CHECK(sinks.top.empty() || fits(sinks.top.size()));
  ASSAY_CHECK(sinks.comparison.empty() || (fits(sinks.comparison.size()) && sinks.reference.cols <= w.rows));
  const bool again = !sinks.jensen_shannon.empty();
  for_row_tiles(x.rows, kTokenTile, [&](int64_t first, int64_t count) {
    const void* a = operand(x, first, count, w);
    for (const Panel& panel : w.panels) {
      float* logits = panel_logits(w, panel, a, count);
      const int64_t id = first_id + panel.first;
      if (again) clamp_logits(logits, count * panel.rows);
      for (int64_t r = 0; r < count && !again; ++r) {
        float* row = logits + r * panel.rows;
        fold_logits(row, panel.rows, id, sinks.targets[first + r], sinks.summary[first + r]);
        if (!sinks.top.empty()) fold_top(row, panel.rows, id, sinks.top[first + r]);
      }
      const int64_t ids = sinks.comparison.empty() ? 0 : std::min(panel.rows, sinks.reference.cols - panel.first);
      for (int64_t r = 0; r < count && ids > 0; ++r) {
        const float *ours = logits + r * panel.rows, *theirs = sinks.reference.row(first + r) + panel.first;
        LogitComparison& comparison = sinks.comparison[first + r];
        if (again) {
          fold_jensen_shannon(ours, theirs, ids, comparison, sinks.jensen_shannon[first + r]);
        } else {
          fold_comparison(ours, theirs, ids, id, comparison);
        }
      }
    }
  });
}

void CpuDevice::logits(Matrix x, const Weight& weight, Matrix out) {
  const auto& w = dynamic_cast<const PackedWeight&>(weight);
  ASSAY_CHECK(x.cols == w.cols && out.cols == w.rows && out.rows == x.rows);
  for_row_tiles(x.rows, kTokenTile, [&](int64_t first, int64_t count) {
    const void* a = operand(x, first, count, w);
    for (const Panel& panel : w.panels) {
      float* logits = panel_logits(w, panel, a, count);
      clamp_logits(logits, count * panel.rows);
      move_result(logits, panel.rows, count, false, out.row(first) + panel.first, out.stride);
    }
  });
}

}  // namespace assay

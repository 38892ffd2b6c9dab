#include <algorithm>
#include <cstring>
#include <optional>

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

/// Two products of one thread that are alive together need scratch of their own.
enum class Side : uint8_t { model, reference };

/// The rows of one token tile as a dense, padded operand: x itself where it fits.
const void* operand(Matrix x, int64_t first, int64_t count, const PackedWeight& weight, Side side = Side::model) {
  const bool whole = count == kTokenTile && x.stride == x.cols;
  if (weight.precision == Precision::f32 && whole) return x.row(first);
  thread_local AlignedBytes scratches[2];
  AlignedBytes& scratch = scratches[static_cast<int>(side)];
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

float* result_scratch(int64_t cols, Side side = Side::model) {
  thread_local AlignedBytes scratches[2];
  return scratches[static_cast<int>(side)].as<float>(kTokenTile * cols);
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

/// The reference's logits of one token tile: those at hand, or products, a panel at a time.
class ReferencePanels {
 public:
  ReferencePanels(const LogitSinks& sinks, int64_t first, int64_t count)
      : weight_(dynamic_cast<const PackedWeight*>(sinks.reference)), first_(first), count_(count), sinks_(sinks) {
    if (weight_) operand_ = operand(sinks.reference_x, first, count, *weight_, Side::reference);
  }

  /// Calls fold(row, logits of the reference, offset in the model's panel, ids) for the ids that both have.
  template <class Fold>
  void overlap(const Panel& panel, Fold&& fold) {
    if (!weight_) {
      const int64_t ids = std::min(panel.rows, sinks_.reference_logits.cols - panel.first);
      for (int64_t r = 0; r < count_ && ids > 0; ++r)
        fold(r, sinks_.reference_logits.row(first_ + r) + panel.first, 0, ids);
      return;
    }
    for (; next_ < weight_->panels.size(); ++next_) {
      const Panel& own = weight_->panels[next_];
      const int64_t begin = std::max(own.first, panel.first);
      const int64_t end = std::min(own.first + own.rows, panel.first + panel.rows);
      if (begin >= panel.first + panel.rows) return;
      if (computed_ != next_) compute(own);
      for (int64_t r = 0; r < count_; ++r)
        fold(r, logits_ + r * own.rows + (begin - own.first), begin - panel.first, end - begin);
      if (own.first + own.rows > end) return;  // the rest belongs to the model's next panel
    }
  }

 private:
  void compute(const Panel& own) {
    logits_ = result_scratch(own.rows, Side::reference);
    product(*weight_, own).run(operand_, own.packed.data(), logits_);
    shape_logits(weight_->logits, own.first, own.rows, count_, logits_);
    clamp_logits(logits_, count_ * own.rows);
    computed_ = next_;
  }

  const PackedWeight* weight_;
  int64_t first_, count_;
  const LogitSinks& sinks_;
  const void* operand_ = nullptr;
  float* logits_ = nullptr;
  size_t next_ = 0, computed_ = SIZE_MAX;
};

}  // namespace

void CpuDevice::reduce_logits(Matrix x, const Weight& weight, int64_t first_id, const LogitSinks& sinks) {
  const auto& w = dynamic_cast<const PackedWeight&>(weight);
  const auto fits = [&](size_t entries) { return static_cast<int64_t>(entries) == x.rows; };
  ASSAY_CHECK(x.cols == w.cols && fits(sinks.targets.size()) && fits(sinks.summary.size()));
  ASSAY_CHECK(sinks.top.empty() || fits(sinks.top.size()));
  ASSAY_CHECK(sinks.comparison.empty() || fits(sinks.comparison.size()));
  ASSAY_CHECK(!sinks.reference ||
              (sinks.reference_x.rows == x.rows && sinks.reference_x.cols == sinks.reference->cols));
  for_row_tiles(x.rows, kTokenTile, [&](int64_t first, int64_t count) {
    const void* a = operand(x, first, count, w);
    std::optional<ReferencePanels> reference;
    if (!sinks.comparison.empty()) reference.emplace(sinks, first, count);
    for (const Panel& panel : w.panels) {
      float* logits = result_scratch(panel.rows);
      product(w, panel).run(a, panel.packed.data(), logits);
      shape_logits(w.logits, panel.first, panel.rows, count, logits);
      const int64_t id = first_id + panel.first;
      const bool again = !sinks.jensen_shannon.empty();
      if (again) clamp_logits(logits, count * panel.rows);
      for (int64_t r = 0; r < count && !again; ++r) {
        float* row = logits + r * panel.rows;
        fold_logits(row, panel.rows, id, sinks.targets[first + r], sinks.summary[first + r]);
        if (!sinks.top.empty()) fold_top(row, panel.rows, id, sinks.top[first + r]);
      }
      if (!reference) continue;
      reference->overlap(panel, [&](int64_t r, const float* theirs, int64_t offset, int64_t ids) {
        const float* ours = logits + r * panel.rows + offset;
        LogitComparison& comparison = sinks.comparison[first + r];
        if (again) return fold_jensen_shannon(ours, theirs, ids, comparison, sinks.jensen_shannon[first + r]);
        fold_comparison(ours, theirs, ids, id + offset, comparison);
      });
    }
  });
}

}  // namespace assay

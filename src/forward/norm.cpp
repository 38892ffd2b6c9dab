#include "forward/norm.h"

#include "base/error.h"

namespace assay {

namespace {

/// Rows of `x`, cut into rows of `width`.
Matrix in_runs(Matrix x, int64_t width) {
  if (x.cols == width) return x;
  ASSAY_CHECK(x.stride == x.cols && x.cols % width == 0);
  return {x.data, x.rows * (x.cols / width), width, width};
}

const float* data_or_null(const Buffer& buffer) {
  return buffer.floats() > 0 ? buffer.data() : nullptr;
}

}  // namespace

Norm::Norm(const WeightStore& store, const NormSpec& spec)
    : kind_(spec.kind), width_(spec.width), eps_(static_cast<float>(spec.eps)) {
  const WeightStore::Part part{spec.part, spec.parts};
  if (!spec.weight.empty()) weight_ = store.vector(spec.weight, width_, spec.weight_offset, part);
  if (!spec.bias.empty()) bias_ = store.vector(spec.bias, width_, 0, part);
}

void Norm::apply(Device& device, Matrix x, Matrix y) const {
  const Matrix from = in_runs(x, width_), to = in_runs(y, width_);
  switch (kind_) {
    case NormSpec::Kind::rms:
      return device.rms_norm(from, data_or_null(weight_), eps_, to);
    case NormSpec::Kind::layer:
      return device.layer_norm(from, data_or_null(weight_), data_or_null(bias_), eps_, to);
    case NormSpec::Kind::none:
      break;
  }
  ASSAY_CHECK(false);
}

}  // namespace assay

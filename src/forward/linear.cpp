#include "forward/linear.h"

#include "base/error.h"
#include "model/linears.h"

namespace assay {

WeightStore::WeightStore(const OpenModel& model, Device& device, Precision precision)
    : model_(model), device_(device), precision_(precision) {
  const ModelSpec& spec = *model.spec;
  embedding_ = open_embedding(*model.checkpoint, *model.quant, spec);
  if (!spec.input.positions.empty()) positions_ = open_positions(*model.checkpoint, *model.quant, spec);
  if (spec.layer_inputs) layer_embedding_ = open_layer_embedding(*model.checkpoint, *model.quant, spec);
  for_each_linear(spec, [&](const LinearSpec& linear) {
    auto& slot = weights_[linear.module];
    if (!slot) slot = open_linear(*model.checkpoint, *model.quant, linear);
  });
  weights_[spec.head.module] = open_head(*model.checkpoint, *model.quant, spec);
}

void WeightStore::substitute(const std::string& dense_name, const WeightStore& other, const LinearSpec& spec) {
  substitutes_.insert_or_assign(dense_name, std::pair(&other, spec));
}

const std::pair<const WeightStore*, LinearSpec>* WeightStore::substitute_of(const LinearSpec& spec) const {
  const auto found = substitutes_.find(spec.dense_name);
  return found == substitutes_.end() ? nullptr : &found->second;
}

const StoredWeight& WeightStore::of(const LinearSpec& spec) const {
  if (const auto* other = substitute_of(spec)) return other->first->of(other->second);
  return *weights_.at(spec.module);
}

std::shared_ptr<const Weight> WeightStore::transform(const OnlineTransform& transform) {
  std::lock_guard lock(mutex_);
  auto& slot = transforms_[transform.name + (transform.inverse ? "^T" : "")];
  if (!slot) {
    const std::vector<float> values = load_transform(*model_.checkpoint, transform);
    slot = device_.prepare(values, transform.n, transform.n, Precision::f32);
  }
  return slot;
}

std::unique_ptr<Weight> WeightStore::prepare(const LinearSpec& spec, Precision precision) const {
  if (const auto* other = substitute_of(spec)) return other->first->prepare(other->second, precision);
  const StoredWeight& stored = of(spec);
  if (spec.run == 0 && spec.stack_rows == 0) return device_.prepare(stored, spec.first_row, spec.out, precision);
  std::vector<float> values(static_cast<size_t>(spec.out * spec.in));
  decode_linear(stored, spec, 0, spec.out, values.data());
  return device_.prepare(values, spec.out, spec.in, precision);
}

std::vector<float> WeightStore::values(const std::string& name, int64_t count) const {
  const StoredTensor& tensor = model_.checkpoint->at(name);
  std::vector<float> values = read_floats(*model_.checkpoint, tensor);
  if (static_cast<int64_t>(values.size()) != count)
    fail("{}: the model needs {} values, the file holds {}", name, count, tensor.describe());
  return values;
}

Buffer WeightStore::to_device(const std::vector<float>& values) const {
  Buffer buffer = device_.allocate(static_cast<int64_t>(values.size()));
  device_.upload(values, buffer.data());
  return buffer;
}

Buffer WeightStore::bias(const LinearSpec& spec) const {
  if (const auto* other = substitute_of(spec)) return other->first->bias(other->second);
  if (spec.bias.empty()) return {};
  const std::vector<float> stored = values(spec.bias, spec.stored_rows);
  std::vector<float> own(static_cast<size_t>(spec.out));
  for (int64_t r = 0; r < spec.out; ++r) own[r] = stored[spec.stored_row(r)];
  return to_device(own);
}

Buffer WeightStore::vector(const std::string& name, int64_t count, double offset, Part part) const {
  std::vector<float> stored = values(name, count * part.count);
  stored = {stored.begin() + part.index * count, stored.begin() + (part.index + 1) * count};
  for (float& value : stored) value += static_cast<float>(offset);
  return to_device(stored);
}

Matrix Workspace::get(const std::string& purpose, int64_t rows, int64_t cols) {
  Buffer& buffer = buffers_[purpose];
  if (buffer.floats() < rows * cols) {
    buffer = {};
    buffer = device_.allocate(rows * cols);
  }
  return buffer.matrix(rows, cols);
}

LinearInput::LinearInput(WeightStore& store, const StoredWeight& stored, bool as_deployed) {
  if (stored.input_transform()) transform_ = store.transform(*stored.input_transform());
  if (as_deployed) quant_ = emulated(stored.input_quant());
}

Matrix LinearInput::apply(Device& device, Workspace& workspace, const std::string& purpose, Matrix x,
                          int64_t call) const {
  if (!transform_ && !quant_.active()) return x;
  const Matrix y = workspace.get(purpose, x.rows, x.cols);
  if (transform_) {
    apply_transform(device, *transform_, x, y);
  } else {
    device.copy(x, y);
  }
  device.quantize(quant_, y, call);
  return y;
}

Linear::Linear(WeightStore& store, const LinearSpec& spec, bool as_deployed) {
  const StoredWeight& stored = store.of(spec);
  input_ = LinearInput(store, stored, as_deployed);
  weight_ = store.prepare(spec, store.precision());
  bias_ = store.bias(spec);
  multiplier_ = static_cast<float>(spec.multiplier);
  if (stored.output_transform()) output_transform_ = store.transform(*stored.output_transform());
  if (as_deployed) output_quant_ = emulated(stored.output_quant());
}

void Linear::apply(Device& device, Workspace& workspace, Matrix x, Matrix y, bool accumulate) const {
  if (!output_transform_ && !output_quant_.active() && multiplier_ == 1) {
    device.matmul(x, *weight_, y, accumulate);
    if (bias_.floats() > 0) device.add_bias(y, bias_.data());
    return;
  }
  Matrix result = workspace.get("linear output", y.rows, y.cols);
  device.matmul(x, *weight_, result, false);
  if (bias_.floats() > 0) device.add_bias(result, bias_.data());
  if (output_transform_) {
    const Matrix rotated = workspace.get("rotated output", y.rows, y.cols);
    apply_transform(device, *output_transform_, result, rotated);
    result = rotated;
  }
  device.quantize(output_quant_, result);
  if (multiplier_ != 1) device.scale(multiplier_, result);
  if (accumulate) {
    device.add(result, y);
  } else {
    device.copy(result, y);
  }
}

void apply_transform(Device& device, const Weight& transform, Matrix x, Matrix y) {
  const int64_t n = transform.cols;
  ASSAY_CHECK(x.cols % n == 0 && x.stride == x.cols && y.stride == y.cols);
  const int64_t blocks = x.rows * (x.cols / n);
  device.matmul({x.data, blocks, n, n}, transform, {y.data, blocks, n, n}, false);
}

}  // namespace assay

#include "forward/linear.h"

#include "base/error.h"

namespace assay {

WeightStore::WeightStore(const OpenModel& model, Device& device, Precision precision)
    : model_(model), device_(device), precision_(precision) {
  const ModelSpec& spec = *model.spec;
  embedding_ = open_weight(Module(*model.checkpoint, *model.quant, spec.embedding, Module::Kind::embedding));
  if (embedding_->rows() < spec.vocab || embedding_->cols() != spec.hidden) {
    fail("{}: the embedding is [{}, {}] in the file, config.json wants [{}, {}]", spec.embedding, embedding_->rows(),
         embedding_->cols(), spec.vocab, spec.hidden);
  }
  for (const LayerSpec& layer : spec.layers) {
    for (const LinearSpec* linear : {&layer.attention.q, &layer.attention.k, &layer.attention.v, &layer.attention.o})
      open(*linear);
    const auto open_mlp = [&](const MlpSpec& mlp) {
      for (const LinearSpec* linear : {&mlp.gate, &mlp.up, &mlp.down}) open(*linear);
    };
    if (const auto* mlp = std::get_if<MlpSpec>(&layer.mlp)) {
      open_mlp(*mlp);
    } else {
      const auto& moe = std::get<MoeSpec>(layer.mlp);
      open(moe.router);
      for (const MlpSpec& expert : moe.experts) open_mlp(expert);
    }
  }
  open(spec.head);
}

void WeightStore::open(const LinearSpec& spec) {
  auto& slot = weights_[spec.module];
  if (!slot) slot = open_weight(Module(*model_.checkpoint, *model_.quant, spec.module));
  if (slot->rows() != spec.stored_rows || slot->cols() != spec.in) {
    slot->module().refuse(fmt::format("the model needs a weight of [{}, {}], the file holds [{}, {}]", spec.stored_rows,
                                      spec.in, slot->rows(), slot->cols()));
  }
  ASSAY_CHECK(spec.first_row >= 0 && spec.first_row + spec.out <= spec.stored_rows);
}

const StoredWeight& WeightStore::of(const LinearSpec& spec) const {
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

Buffer WeightStore::vector(const std::string& name, int64_t count, double offset, int64_t first, int64_t whole) const {
  const StoredTensor& tensor = model_.checkpoint->at(name);
  if (whole == 0) whole = count;
  std::vector<float> values = read_floats(*model_.checkpoint, tensor);
  if (static_cast<int64_t>(values.size()) != whole)
    fail("{}: the model needs {} values, the file holds {}", name, whole, tensor.describe());
  values.erase(values.begin(), values.begin() + first);
  values.resize(static_cast<size_t>(count));
  for (float& value : values) value += static_cast<float>(offset);
  Buffer buffer = device_.allocate(count);
  device_.upload(values, buffer.data());
  return buffer;
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
  if (as_deployed) quant_ = stored.input_quant();
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
  weight_ = store.device().prepare(stored, spec.first_row, spec.out, store.precision());
  if (!spec.bias.empty()) bias_ = store.vector(spec.bias, spec.out, 0, spec.first_row, spec.stored_rows);
  if (stored.output_transform()) output_transform_ = store.transform(*stored.output_transform());
  if (as_deployed) output_quant_ = stored.output_quant();
}

void Linear::apply(Device& device, Workspace& workspace, Matrix x, Matrix y, bool accumulate) const {
  if (!output_transform_ && !output_quant_.active()) {
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

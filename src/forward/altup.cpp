#include "forward/altup.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "forward/project.h"

namespace assay {

AltupBlock::AltupBlock(RunContext& context, const LayerSpec& layer) : spec_(&*layer.altup) {
  WeightStore& store = context.store;
  const bool as_deployed = context.options.as_deployed;
  mixer_ = std::visit([&](const auto& spec) { return make_body(context, spec); }, layer.mixer);
  mlp_ = make_body(context, std::get<MlpSpec>(layer.mlp));
  mixer_norm_ = Norm(store, layer.mixer_branch.input_norm);
  mixer_output_norm_ = Norm(store, layer.mixer_branch.output_norm);
  mlp_norm_ = Norm(store, layer.mlp_branch.input_norm);
  mlp_output_norm_ = Norm(store, layer.mlp_branch.output_norm);
  router_norm_ = Norm(store, spec_->router_norm);
  laurel_norm_ = Norm(store, spec_->laurel_norm);
  router_ = Linear(store, spec_->router, as_deployed);
  predict_ = Linear(store, spec_->predict, as_deployed);
  correct_ = Linear(store, spec_->correct, as_deployed);
  laurel_left_ = Linear(store, spec_->laurel_left, as_deployed);
  laurel_right_ = Linear(store, spec_->laurel_right, as_deployed);
  if (!spec_->output_scale.empty()) output_scale_ = store.vector(spec_->output_scale, laurel_right_.out());
  layer_input_ = LayerInput(context, *layer.layer_input);
}

Matrix AltupBlock::stream(Matrix x, int64_t index) const {
  const int64_t width = x.cols / spec_->streams;
  return {x.data + index * width, x.rows, width, x.stride};
}

/// linear(tanh(router(norm(active)))), [rows, linear.out] in host memory.
std::vector<float> AltupBlock::coefficients(RunContext& context, Matrix active, const Linear& linear) const {
  Device& device = context.device;
  const Matrix normed = context.workspace.get("router input", active.rows, active.cols);
  const Matrix modalities = context.workspace.get("modalities", active.rows, router_.out());
  const Matrix result = context.workspace.get("coefficients", active.rows, linear.out());
  router_norm_.apply(device, active, normed);
  project(context, normed, {{router_, modalities}});
  std::vector<float> values(static_cast<size_t>(modalities.rows * modalities.cols));
  device.download(modalities.data, values);
  for (float& value : values) value = std::tanh(value);
  device.upload(values, modalities.data);
  project(context, modalities, {{linear, result}});
  values.resize(static_cast<size_t>(result.rows * result.cols));
  device.download(result.data, values);
  return values;
}

namespace {

/// y += factor * x for each row, where row r has factors[r * step + first].
void add_scaled(Device& device, Matrix x, const std::vector<float>& factors, int64_t step, int64_t first, Matrix y) {
  std::vector<int32_t> rows(static_cast<size_t>(x.rows));
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> own(rows.size());
  for (size_t r = 0; r < own.size(); ++r) own[r] = factors[r * static_cast<size_t>(step) + static_cast<size_t>(first)];
  device.scatter_add(x, rows, own, y);
}

}  // namespace

/// stream j += sum over i of c[j, i] * stream i.
void AltupBlock::predict(RunContext& context, Matrix x) const {
  const int64_t streams = spec_->streams;
  const Matrix active = context.workspace.get("active stream", x.rows, x.cols / streams);
  const Matrix old = context.workspace.get("old streams", x.rows, x.cols);
  context.device.copy(stream(x, spec_->active), active);
  context.device.copy(x, old);
  const std::vector<float> c = coefficients(context, active, predict_);
  for (int64_t j = 0; j < streams; ++j) {
    for (int64_t i = 0; i < streams; ++i) {
      add_scaled(context.device, stream(old, i), c, streams * streams, j * streams + i, stream(x, j));
    }
  }
}

/// What an ordinary layer would make of the stream, with a low-rank branch beside its attention.
Matrix AltupBlock::run_layer(RunContext& context, Matrix active) const {
  Device& device = context.device;
  Workspace& workspace = context.workspace;
  const int64_t n = active.rows, width = active.cols;
  const Matrix h = workspace.get("normed", n, width), y = workspace.get("layer output", n, width);
  const Matrix left = workspace.get("laurel", n, laurel_left_.out()), branch = workspace.get("branch", n, width);
  mixer_norm_.apply(device, active, h);
  project(context, h, {{laurel_left_, left}});
  project(context, left, {{laurel_right_, y}});
  laurel_norm_.apply(device, y, y);
  device.add(h, y);
  device.add(active, y);
  mixer_->run(context, h, branch, false);
  mixer_output_norm_.apply(device, branch, branch);
  device.add(branch, y);
  device.scale(static_cast<float>(1 / std::numbers::sqrt2), y);

  mlp_norm_.apply(device, y, h);
  mlp_->run(context, h, branch, false);
  mlp_output_norm_.apply(device, branch, branch);
  device.add(branch, y);
  return y;
}

/// stream j += (result - predicted) * (c[j] + 1).
void AltupBlock::correct(RunContext& context, Matrix x, Matrix predicted, Matrix result) const {
  std::vector<float> c = coefficients(context, result, correct_);
  for (float& value : c) value += 1;
  const std::vector<float> minus(static_cast<size_t>(x.rows), -1.0f);
  add_scaled(context.device, predicted, minus, 1, 0, result);
  for (int64_t j = 0; j < spec_->streams; ++j) {
    add_scaled(context.device, result, c, spec_->streams, j, stream(x, j));
  }
}

/// All streams but the first get what the token's own input to the layer makes of the active one.
void AltupBlock::add_layer_input(RunContext& context, Matrix x) const {
  Device& device = context.device;
  const Matrix active = context.workspace.get("active stream", x.rows, x.cols / spec_->streams);
  device.copy(stream(x, spec_->active), active);
  if (output_scale_.floats() > 0) {
    device.gate(Device::Gate::identity, active, {output_scale_.data(), active.rows, active.cols, 0});
  }
  const Matrix y = context.workspace.get("branch", active.rows, active.cols);
  layer_input_.run(context, active, y);
  for (int64_t j = 1; j < spec_->streams; ++j) device.add(y, stream(x, j));
}

void AltupBlock::run(RunContext& context, Matrix x) const {
  predict(context, x);
  const Matrix predicted = context.workspace.get("predicted stream", x.rows, x.cols / spec_->streams);
  context.device.copy(stream(x, spec_->active), predicted);
  correct(context, x, predicted, run_layer(context, predicted));
  add_layer_input(context, x);
}

}  // namespace assay

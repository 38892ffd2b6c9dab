#include "forward/layer_input.h"

#include <numbers>

#include "forward/embedding.h"
#include "forward/mlp.h"
#include "forward/project.h"

namespace assay {

LayerInput::LayerInput(RunContext& context, const LayerInputSpec& spec)
    : spec_(&spec),
      gate_(context.store, spec.gate, context.options.as_deployed),
      project_(context.store, spec.project, context.options.as_deployed),
      norm_(context.store, spec.norm) {}

void LayerInput::run(RunContext& context, Matrix x, Matrix y) const {
  const Matrix gate = context.workspace.get("gate", x.rows, gate_.out());
  project(context, x, {{gate_, gate}});
  const Matrix input = context.layer_inputs.at(static_cast<size_t>(spec_->layer)).get(context.first_token, x.rows);
  context.times.time("gate", [&] { context.device.gate(gate_of(spec_->activation), gate, input); });
  project(context, gate, project_, y, false);
  context.times.time("norm", [&] { norm_.apply(context.device, y, y); });
}

LayerInputs::LayerInputs(RunContext& context, const LayerInputsSpec& spec, int64_t tokens, bool spill)
    : spec_(&spec),
      project_(context.store, spec.project, context.options.as_deployed),
      norm_(context.store, spec.norm),
      embedded_(context.device, context.length, spec.layers * spec.width, false) {
  context.layer_inputs.clear();
  for (int64_t l = 0; l < spec.layers; ++l) {
    context.layer_inputs.emplace_back(context.device, tokens, spec.width, spill);
  }
}

void LayerInputs::add(RunContext& context, int64_t first, std::span<const int32_t> ids, Matrix x) {
  Device& device = context.device;
  const Matrix made = context.workspace.get("layer inputs", x.rows, project_.out());
  project(context, x, {{project_, made}});
  norm_.apply(device, made, made);
  // Tokens beyond this vocabulary stand for images and sound.
  std::vector<int32_t> known(ids.begin(), ids.end());
  for (int32_t& id : known) id = id < spec_->vocab ? id : 0;
  look_up(context.store.layer_embedding(), known, embedded_);
  const Matrix own = embedded_.get(0, x.rows);
  device.scale(static_cast<float>(spec_->multiplier), own);
  device.add(own, made);
  device.scale(static_cast<float>(1 / std::numbers::sqrt2), made);
  const Matrix part = context.workspace.get("layer input", x.rows, spec_->width);
  for (int64_t l = 0; l < spec_->layers; ++l) {
    device.copy({made.data + l * spec_->width, x.rows, spec_->width, made.stride}, part);
    context.layer_inputs[static_cast<size_t>(l)].put(first, part);
  }
}

}  // namespace assay

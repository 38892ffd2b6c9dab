#pragma once
#include <memory>
#include <variant>

#include "formats/format.h"
#include "model/spec.h"

namespace assay {

/// The module where the scales of a mixer's KV cache stand.
inline const std::string& cache_module(const MixerSpec& mixer) {
  return std::visit([](const auto& spec) -> const std::string& { return spec.module; }, mixer);
}

/// The linears of a part of a layer in the order of the computation, a router before its experts.
template <class Visit>
void for_each_linear(const MixerSpec& mixer, Visit&& visit) {
  std::visit([&](const auto& spec) { spec.for_each_linear(visit); }, mixer);
}
template <class Visit>
void for_each_linear(const FeedForwardSpec& mlp, Visit&& visit) {
  if (const auto* dense = std::get_if<MlpSpec>(&mlp)) dense->for_each_linear(visit);
  if (const auto* moe = std::get_if<MoeSpec>(&mlp)) moe->for_each_linear(visit);
}
template <class Visit>
void for_each_linear(const LayerSpec& layer, Visit&& visit) {
  for_each_linear(layer.mixer, visit);
  for_each_linear(layer.mlp, visit);
  if (layer.altup) layer.altup->for_each_linear(visit);
  if (layer.layer_input) layer.layer_input->for_each_linear(visit);
}
/// The projections before all layers and behind them.
template <class Visit>
void for_each_linear_before(const ModelSpec& model, Visit&& visit) {
  if (model.input.project) visit(*model.input.project);
  if (model.layer_inputs) visit(model.layer_inputs->project);
  if (!model.streams) return;
  for (const LinearSpec& linear : model.streams->in) visit(linear);
}
template <class Visit>
void for_each_linear_behind(const ModelSpec& model, Visit&& visit) {
  if (model.streams) {
    for (const LinearSpec& linear : model.streams->out) visit(linear);
  }
  if (model.project) visit(*model.project);
}
/// Those of all layers, and the projections before and behind them.
template <class Visit>
void for_each_linear(const ModelSpec& model, Visit&& visit) {
  for_each_linear_before(model, visit);
  for (const LayerSpec& layer : model.layers) for_each_linear(layer, visit);
  for_each_linear_behind(model, visit);
}

/// Rows [begin, end) of the linear's own matrix [out, in], row-major, from the module that holds it. Rows that are not
/// stored one after the other cost the memory of all that lies between them.
void decode_linear(const StoredWeight& stored, const LinearSpec& linear, int64_t begin, int64_t end, float* out);

/// Opens the stored module that holds a linear. Error when its size is not what the model needs.
std::unique_ptr<StoredWeight> open_linear(const Checkpoint& checkpoint, const QuantConfig& config,
                                          const LinearSpec& linear);
/// The same for the output head, which the config knows as an embedding when it is tied to one.
std::unique_ptr<StoredWeight> open_head(const Checkpoint& checkpoint, const QuantConfig& config,
                                        const ModelSpec& model);
/// May have more rows than the vocabulary.
std::unique_ptr<StoredWeight> open_embedding(const Checkpoint& checkpoint, const QuantConfig& config,
                                             const ModelSpec& model);
/// Learned positions; Error unless they are of the size that the model needs.
std::unique_ptr<StoredWeight> open_positions(const Checkpoint& checkpoint, const QuantConfig& config,
                                             const ModelSpec& model);

/// The embedding of LayerInputsSpec; may have more rows than its vocabulary.
std::unique_ptr<StoredWeight> open_layer_embedding(const Checkpoint& checkpoint, const QuantConfig& config,
                                                   const ModelSpec& model);

}  // namespace assay

#pragma once
#include "forward/evaluate.h"
#include "stats/layer_errors.h"

namespace assay {

/// Runs both models side by side on the same rows, one layer at a time: the reference, the model on its own hidden
/// states, the model's layer on the reference's hidden states, and the reference's layer with one linear after the
/// other taken from the model. Error unless both have the same layers.
LayerErrors measure_layers(Device& device, ThreadPool& pool, const OpenModel& reference, const OpenModel& model,
                           const EvalInput& input, const EvalOptions& options);

}  // namespace assay

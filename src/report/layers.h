#pragma once
#include <string>

#include "stats/layer_errors.h"

namespace assay {

/// One line a layer, with the linear that hurts it most, and below it the linears that hurt most of all.
std::string layers_table(const LayerErrors& errors, int width);
/// One line a linear, and one with an empty name for each layer as a whole.
std::string layers_csv(const LayerErrors& errors);
/// {"schema": "assay.layers/1", ...}: docs/results.md.
std::string layers_json(const LayerErrors& errors);

}  // namespace assay

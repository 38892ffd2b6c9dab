#pragma once
#include <cmath>
#include <string>
#include <vector>

namespace assay {

/// Where the error of a model comes from, layer by layer. Errors are relative: norm of the difference over norm of the
/// reference's. NaN = not measured.
struct LayerErrors {
  struct Linear {
    std::string name;     ///< within the layer: "self_attn.q_proj"
    double weight = NAN;  ///< of the decoded weight
    double output = NAN;  ///< of its product with the reference's input
  };
  struct Layer {
    std::vector<Linear> linears;
    double own = NAN;         ///< of the hidden state after this layer, given the reference's hidden state before it
    double cumulative = NAN;  ///< given the model's own hidden state
  };
  std::string reference, model;
  std::vector<Layer> layers;
};

}  // namespace assay

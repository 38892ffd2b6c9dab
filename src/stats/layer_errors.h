#pragma once
#include <cmath>
#include <string>
#include <vector>

namespace assay {

/// Where the error of a model comes from, layer by layer. Errors are relative to the reference: of weights, norm of the
/// difference over norm; of hidden states, the root of the mean over tokens of the square of that, so that the few
/// tokens with huge states do not outweigh the others. NaN = not measured.
struct LayerErrors {
  struct Linear {
    std::string name;     ///< within the layer: "self_attn.q_proj"; of all experts: "mlp.experts.*.up_proj"
    double weight = NAN;  ///< of the decoded weight
    double output = NAN;  ///< of the hidden state after the layer, with this linear alone taken from the model
  };
  struct Layer {
    std::vector<Linear> linears;
    double own = NAN;         ///< of the hidden state after this layer, given the reference's hidden state before it
    double cumulative = NAN;  ///< given the model's own hidden state
  };
  std::string reference, model;
  std::vector<Layer> layers;
  std::vector<std::string> notes;
};

}  // namespace assay

#pragma once
#include <memory>
#include <variant>

#include "formats/format.h"
#include "model/spec.h"

namespace assay {

/// The linears of a layer in the order of the computation, a router before its experts.
template <class Visit>
void for_each_linear(const LayerSpec& layer, Visit&& visit) {
  const AttentionSpec& a = layer.attention;
  for (const LinearSpec* linear : {&a.q, &a.k, &a.v, &a.o}) visit(*linear);
  const auto visit_mlp = [&](const MlpSpec& mlp) {
    for (const LinearSpec* linear : {&mlp.gate, &mlp.up, &mlp.down}) visit(*linear);
  };
  if (const auto* mlp = std::get_if<MlpSpec>(&layer.mlp)) {
    visit_mlp(*mlp);
  } else {
    const auto& moe = std::get<MoeSpec>(layer.mlp);
    visit(moe.router);
    for (const MlpSpec& expert : moe.experts) visit_mlp(expert);
  }
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

}  // namespace assay

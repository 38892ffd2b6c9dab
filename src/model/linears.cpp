#include "model/linears.h"

#include "base/error.h"

namespace assay {

namespace {

std::unique_ptr<StoredWeight> open_sized(const Module& module, const LinearSpec& linear) {
  std::unique_ptr<StoredWeight> weight = open_weight(module);
  if (weight->rows() == linear.stored_rows && weight->cols() == linear.in) return weight;
  module.refuse(fmt::format("the model needs a weight of [{}, {}], the file holds [{}, {}]", linear.stored_rows,
                            linear.in, weight->rows(), weight->cols()));
}

}  // namespace

std::unique_ptr<StoredWeight> open_linear(const Checkpoint& checkpoint, const QuantConfig& config,
                                          const LinearSpec& linear) {
  const Module::Size size{linear.stored_rows, linear.in};
  return open_sized(Module(checkpoint, config, linear.module, Module::Kind::linear, size), linear);
}

std::unique_ptr<StoredWeight> open_head(const Checkpoint& checkpoint, const QuantConfig& config,
                                        const ModelSpec& model) {
  const auto kind = model.tied ? Module::Kind::embedding : Module::Kind::linear;
  const Module::Size size{model.head.stored_rows, model.head.in};
  return open_sized(Module(checkpoint, config, model.head.module, kind, size), model.head);
}

std::unique_ptr<StoredWeight> open_embedding(const Checkpoint& checkpoint, const QuantConfig& config,
                                             const ModelSpec& model) {
  const Module module(checkpoint, config, model.embedding, Module::Kind::embedding);
  std::unique_ptr<StoredWeight> weight = open_weight(module);
  if (weight->rows() >= model.vocab && weight->cols() == model.hidden) return weight;
  module.refuse(fmt::format("the model needs an embedding of [{}, {}], the file holds [{}, {}]", model.vocab,
                            model.hidden, weight->rows(), weight->cols()));
}

}  // namespace assay

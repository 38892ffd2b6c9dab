#include "model/linears.h"

#include <algorithm>

#include "base/error.h"

namespace assay {

namespace {

std::unique_ptr<StoredWeight> open_sized(const Module& module, const LinearSpec& linear) {
  std::unique_ptr<StoredWeight> weight = open_weight(module);
  const bool transposed = linear.stack_rows > 0;
  const int64_t rows = transposed ? linear.stored_rows / linear.stack_rows * linear.in : linear.stored_rows;
  const int64_t cols = transposed ? linear.stack_rows : linear.in;
  if (weight->rows() == rows && weight->cols() == cols) return weight;
  module.refuse(fmt::format("the model needs a weight of [{}, {}], the file holds [{}, {}]", rows, cols, weight->rows(),
                            weight->cols()));
}

}  // namespace

void decode_linear(const StoredWeight& stored, const LinearSpec& linear, int64_t begin, int64_t end, float* out) {
  if (linear.stack_rows > 0) {
    int64_t stack = -1;
    std::vector<float> whole(static_cast<size_t>(linear.in * linear.stack_rows));
    for (int64_t r = begin; r < end; ++r, out += linear.in) {
      if (const int64_t own = linear.stored_row(r) / linear.stack_rows; own != stack) {
        stack = own;
        stored.decode(stack * linear.in, (stack + 1) * linear.in, whole.data());
      }
      const float* from = whole.data() + (linear.stored_row(r) - stack * linear.stack_rows);
      for (int64_t c = 0; c < linear.in; ++c) out[c] = from[c * linear.stack_rows];
    }
  } else if (linear.run == 0) {
    stored.decode(linear.first_row + begin, linear.first_row + end, out);
  } else {
    const int64_t first = linear.stored_row(begin), last = linear.stored_row(end - 1) + 1;
    std::vector<float> between(static_cast<size_t>((last - first) * linear.in));
    stored.decode(first, last, between.data());
    for (int64_t r = begin; r < end; ++r, out += linear.in)
      std::copy_n(between.data() + (linear.stored_row(r) - first) * linear.in, linear.in, out);
  }
}

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
  const int64_t width = model.input.project ? model.input.project->in : model.hidden;
  const Module module(checkpoint, config, model.embedding, Module::Kind::embedding);
  std::unique_ptr<StoredWeight> weight = open_weight(module);
  if (weight->rows() >= model.vocab && weight->cols() == width) return weight;
  module.refuse(fmt::format("the model needs an embedding of [{}, {}], the file holds [{}, {}]", model.vocab, width,
                            weight->rows(), weight->cols()));
}

std::unique_ptr<StoredWeight> open_positions(const Checkpoint& checkpoint, const QuantConfig& config,
                                             const ModelSpec& model) {
  const int64_t rows = model.input.position_rows;
  const Module module(checkpoint, config, model.input.positions, Module::Kind::embedding);
  std::unique_ptr<StoredWeight> weight = open_weight(module);
  if (weight->rows() == rows && weight->cols() == model.hidden) return weight;
  module.refuse(fmt::format("the model needs positions of [{}, {}], the file holds [{}, {}]", rows, model.hidden,
                            weight->rows(), weight->cols()));
}

std::unique_ptr<StoredWeight> open_layer_embedding(const Checkpoint& checkpoint, const QuantConfig& config,
                                                   const ModelSpec& model) {
  const LayerInputsSpec& spec = *model.layer_inputs;
  const int64_t width = spec.layers * spec.width;
  const Module module(checkpoint, config, spec.embedding, Module::Kind::embedding);
  std::unique_ptr<StoredWeight> weight = open_weight(module);
  if (weight->rows() >= spec.vocab && weight->cols() == width) return weight;
  module.refuse(fmt::format("the model needs an embedding of [{}, {}], the file holds [{}, {}]", spec.vocab, width,
                            weight->rows(), weight->cols()));
}

}  // namespace assay

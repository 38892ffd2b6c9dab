#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "model/arch/stacks.h"

namespace assay {

namespace {

constexpr int64_t kMaxExperts = 1 << 16;

MlpSpec stored_alone(const Source& source, const Decoder& d, const std::string& expert, const MoeShape& shape) {
  const int64_t intermediate = shape.intermediate;
  MlpSpec mlp;
  mlp.activation = d.activation;
  if (!shape.gate.empty()) mlp.gate = source.linear(expert + "." + shape.gate, intermediate, d.hidden);
  mlp.up = source.linear(expert + "." + shape.up, intermediate, d.hidden);
  mlp.down = source.linear(expert + "." + shape.down, d.hidden, intermediate);
  return mlp;
}

}  // namespace

MoeShape make_moe(const Keys& keys, int64_t experts, int64_t top_k, int64_t intermediate) {
  if (experts > kMaxExperts) fail("{}: {} experts are more than {}", keys.where(), experts, kMaxExperts);
  if (top_k > experts) fail("{}: a token cannot see {} of {} experts", keys.where(), top_k, experts);
  MoeShape shape;
  shape.experts = experts;
  shape.routing.top_k = top_k;
  shape.intermediate = intermediate;
  return shape;
}

MoeShape read_moe(Keys& keys, const char* experts_key, const char* intermediate_key, const char* top_k_key) {
  // What newer versions of the library call it in all models.
  if (!keys.has(experts_key) && keys.has("num_local_experts")) experts_key = "num_local_experts";
  const int64_t experts = keys.size(experts_key), top_k = keys.size(top_k_key);
  if (experts > kMaxExperts) keys.refuse(experts_key, fmt::format("at most {} experts", kMaxExperts));
  if (top_k > experts) keys.refuse(top_k_key, fmt::format("at most {}", experts));
  return make_moe(keys, experts, top_k, keys.size(intermediate_key));
}

std::vector<bool> read_sparse_layers(Keys& keys, int64_t layers) {
  const std::vector<int64_t> dense = keys.integers("mlp_only_layers");
  const int64_t step = keys.size_or("decoder_sparse_step", 1);
  std::vector<bool> sparse(static_cast<size_t>(layers));
  for (int64_t i = 0; i < layers; ++i) sparse[i] = (i + 1) % step == 0 && std::ranges::find(dense, i) == dense.end();
  return sparse;
}

std::vector<bool> read_mlp_layer_types(Keys& keys, int64_t layers, const std::function<bool(int64_t layer)>& sparse) {
  const std::vector<std::string> types = keys.strings("mlp_layer_types");
  std::vector<bool> out;
  if (types.empty()) {
    for (int64_t i = 0; i < layers; ++i) out.push_back(sparse(i));
    return out;
  }
  bool fits = static_cast<int64_t>(types.size()) == layers;
  for (const std::string& type : types) {
    fits = fits && (type == "sparse" || type == "dense");
    out.push_back(type == "sparse");
  }
  if (!fits) keys.refuse("mlp_layer_types", fmt::format("\"sparse\" or \"dense\" for each of {} layers", layers));
  return out;
}

MlpSpec stacked_expert(const Source& source, const Decoder& d, const std::string& gate_up, const std::string& down,
                       const std::string& dense_name, const MoeShape& shape, int64_t index) {
  const int64_t wide = shape.intermediate;
  const std::string first = source.tensor(gate_up, {shape.experts, 2 * wide, d.hidden});
  const std::string second = source.tensor(down, {shape.experts, d.hidden, wide});
  const std::string expert = source.dense(dense_name) + ".";
  const auto slice = [&](const std::string& stack, int64_t rows, int64_t first_row, int64_t out, int64_t in,
                         const std::string& name) {
    LinearSpec linear;
    linear.module = stack;
    linear.dense_name = expert + name + ".weight";
    linear.out = out;
    linear.in = in;
    linear.first_row = rows * index + first_row;
    linear.stored_rows = rows * shape.experts;
    return linear;
  };
  return {.activation = d.activation,
          .gate = slice(first, 2 * wide, 0, wide, d.hidden, shape.gate),
          .up = slice(first, 2 * wide, wide, wide, d.hidden, shape.up),
          .down = slice(second, d.hidden, 0, d.hidden, wide, shape.down)};
}

MlpSpec transposed_expert(const Source& source, const Decoder& d, const std::string& stack, const MoeShape& shape,
                          int64_t expert) {
  const auto part = [&](const char* name, const char* alone, int64_t rows, int64_t first, int64_t out, int64_t in) {
    const Rows where{.stored = shape.experts * rows, .first = expert * rows + first};
    LinearSpec linear = source.linear_part(stack + name, where, fmt::format("{}.{}.{}", stack, expert, alone), out, in);
    linear.stack_rows = rows;
    return linear;
  };
  const int64_t wide = shape.intermediate;
  return {.activation = d.activation,
          .gate = part(".gate_up_proj", "gate_proj", 2 * wide, 0, wide, d.hidden),
          .up = part(".gate_up_proj", "up_proj", 2 * wide, wide, wide, d.hidden),
          .down = part(".down_proj", "down_proj", d.hidden, 0, d.hidden, wide)};
}

namespace {

/// Versions of the library differ in what they store of some models. Both matrices cannot be square.
bool stored_transposed(const Source& source, const Decoder& d, const std::string& stack, const MoeShape& shape) {
  const StoredTensor* gate_up = source.checkpoint.find(source.stored(stack + ".gate_up_proj"));
  const StoredTensor* down = source.checkpoint.find(source.stored(stack + ".down_proj"));
  const int64_t wide = shape.intermediate;
  return gate_up && down && gate_up->shape == std::vector<int64_t>{shape.experts, d.hidden, 2 * wide} &&
         down->shape == std::vector<int64_t>{shape.experts, wide, d.hidden};
}

}  // namespace

MoeSpec moe(const Source& source, const Decoder& d, const std::string& module, const MoeShape& shape) {
  MoeSpec moe;
  moe.router = source.linear(module + "." + shape.router, shape.experts, d.hidden);
  moe.routing = shape.routing;
  if (!shape.router_bias.empty()) moe.routing.bias = source.tensor(module + "." + shape.router_bias, {shape.experts});

  const std::string experts = module + "." + shape.expert;
  const bool stacked = source.has_module(source.stored(experts + ".gate_up_proj"));
  const bool transposed = stored_transposed(source, d, experts, shape);
  for (int64_t e = 0; e < shape.experts; ++e) {
    if (transposed) {
      moe.experts.push_back(transposed_expert(source, d, experts, shape, e));
      continue;
    }
    const std::string expert = fmt::format("{}.{}", experts, e);
    moe.experts.push_back(
        stacked ? stacked_expert(source, d, experts + ".gate_up_proj", experts + ".down_proj", expert, shape, e)
                : stored_alone(source, d, expert, shape));
  }
  if (shape.shared_intermediate > 0)
    moe.shared = mlp(source, d, module + "." + shape.shared, shape.shared_intermediate);
  if (!shape.shared_gate.empty()) moe.shared_gate = source.linear(module + "." + shape.shared_gate, 1, d.hidden);
  return moe;
}

}  // namespace assay

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "model/arch/arch.h"

namespace assay {

namespace {

constexpr int64_t kMaxExperts = 1 << 16;

MlpSpec stored_alone(const Source& source, const Decoder& d, const std::string& expert, const MoeShape& shape) {
  const int64_t intermediate = shape.intermediate;
  return {.activation = d.activation,
          .gate = source.linear(expert + "." + shape.gate, intermediate, d.hidden, d.mlp_bias),
          .up = source.linear(expert + "." + shape.up, intermediate, d.hidden, d.mlp_bias),
          .down = source.linear(expert + "." + shape.down, d.hidden, intermediate, d.mlp_bias)};
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

MoeSpec moe(const Source& source, const Decoder& d, const std::string& module, const MoeShape& shape) {
  MoeSpec moe;
  moe.router = source.linear(module + "." + shape.router, shape.experts, d.hidden);
  moe.routing = shape.routing;
  if (!shape.router_bias.empty()) moe.routing.bias = source.tensor(module + "." + shape.router_bias, {shape.experts});

  const std::string experts = module + "." + shape.expert;
  const bool stacked = source.has_module(source.stored(experts + ".gate_up_proj"));
  for (int64_t e = 0; e < shape.experts; ++e) {
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
